"""Seeded fuzzing of everything that comes from outside: headers, containers, videos, sidecars,
weights.

    python -m tests.fuzz --count 300 --seed 0         # a table; wrong outcomes, how to repeat each
    python -m tests.fuzz --kinds sidecars --first 17  # case 17 of one kind alone

Each case runs in a forked child of one warm parent. Right is: no traceback, done within 60 s, less
than 2 GB, and where the answer is known that answer; a refusal is right only where a player refuses
too.

wave_headers.py   WAV files of every width, layout, size and chunk order: the samples are known
containers.py     sound in every container, whole, cut or damaged: plain FFmpeg is the player
videos.py         counted pictures of every codec and geometry, whole or damaged
sidecars.py       words in every transcript form, written loosely or damaged: the words are known
weights.py        pickles, npz, mat and safetensors of every protocol and type, whole or damaged
player.py         what a plain decode by FFmpeg plays
damage.py         ways in which files get damaged
forked.py         a case in a child: its verdict, time and memory
"""
