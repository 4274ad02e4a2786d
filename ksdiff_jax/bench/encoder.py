"""`ksdiff-jax bench encoder`: a pretrained speech encoder of this package against the original in
torch, in one process.

transformers creates a model with random weights and writes it as a checkpoint, which `load_encoder`
reads. Both encode the same ten seconds on the same cores: one warm-up each, and `--repeats`
interleaved pairs of runs, so that other load on the machine affects both. Parity is the largest
difference of the last hidden state over its largest value.

Programs that stop earlier divide our time into parts: after the convolutions, and before the first
layer.

whisper_encoder.py has the same for Whisper.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable

from ksdiff_jax.errors import InputError

CLIP_S = 10.0
CLASSES = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert", "wavlm": "WavLM"}
_LARGE_LAYOUT = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
SIZES = {
    "tiny": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "conv_dim": (32,) * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
    },
    "base": {},
    "large": _LARGE_LAYOUT
    | {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
}


def use_cores(count: int) -> None:
    """Restrict this process to its first `count` cores; call this before JAX starts its threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def measure(args: argparse.Namespace) -> dict:
    """Measure times, their ratio, the parity error, and the parts of our time."""
    torch = installed_torch()
    torch.set_num_threads(args.threads)
    import jax
    import jax.numpy as jnp
    import numpy as np

    from ksdiff_jax.bench.machine import machine
    from ksdiff_jax.bench.voice import made_up_voice
    from ksdiff_jax.speech.load import load_encoder
    from ksdiff_jax.tree import parameter_count

    theirs = random_model(args.architecture, args.size)
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        encoder = load_encoder(folder, dtype=jnp.float32)
    sound = made_up_voice(CLIP_S)[None]
    programs = our_programs(encoder.config)
    params, audio = jax.device_put(encoder.params), jax.device_put(sound)

    def ours() -> np.ndarray:
        return np.asarray(programs["all"](params, audio))

    def torchs() -> np.ndarray:
        with torch.inference_mode():
            return theirs(torch.from_numpy(sound)).last_hidden_state.numpy()

    expected = torchs()
    parity = float(np.abs(ours() - expected).max() / np.abs(expected).max())
    pairs = [(seconds_of(ours), seconds_of(torchs)) for _ in range(args.repeats)]
    ours_s, torch_s = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(mine / other for mine, other in pairs)
    return {
        "summary": f"{args.architecture} {args.size}, {CLIP_S:g} s of sound, {args.threads} "
        "threads: "
        f"ours {ours_s:.3f} s, torch {torch_s:.3f} s, ratio {ratio:.3f}, parity error {parity:.1e}",
        "ours_s": round(ours_s, 4),
        "torch_s": round(torch_s, 4),
        "ratio": round(ratio, 4),
        "parity_error": parity,
        "parts_s": _parts(programs, params, audio, total_s=ours_s, repeats=args.repeats),
        "parameters": parameter_count(params),
        "threads": args.threads,
        "torch": torch.__version__,
        "machine": machine(),
    }


def our_programs(config) -> dict[str, Callable]:
    """Return compiled forward passes up to a stage: "front_end", "before_layers", "all"."""
    import jax

    from ksdiff_jax.speech.pretrained import PretrainedEncoder

    module = PretrainedEncoder(config)
    ends = {
        "front_end": lambda encoder, audio: encoder.front_end(audio),
        "before_layers": lambda encoder, audio: encoder.states(audio).hidden[0],
        "all": lambda encoder, audio: encoder.states(audio).last,
    }
    return {
        name: jax.jit(
            lambda params, audio, end=end: module.apply({"params": params}, audio, method=end)
        )
        for name, end in ends.items()
    }


def _parts(
    programs: dict[str, Callable], params, audio, *, total_s: float, repeats: int
) -> dict[str, float]:
    """Return the seconds of the convolutions, of projection and positions, and of the Transformer
    layers; they sum to the total.
    """
    until = {}
    for name in ("front_end", "before_layers"):
        programs[name](params, audio).block_until_ready()
        until[name] = statistics.median(
            seconds_of(lambda name=name: programs[name](params, audio).block_until_ready())
            for _ in range(repeats)
        )
    return {
        "front_end": round(until["front_end"], 4),
        "projection_and_positions": round(until["before_layers"] - until["front_end"], 4),
        "transformer_layers": round(total_s - until["before_layers"], 4),
    }


def seconds_of(work: Callable[[], object]) -> float:
    """Return the time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def installed_torch():
    """Return the module torch; raise `InputError` if it is not installed."""
    try:
        import torch
    except ImportError as error:
        raise InputError(
            "bench encoder compares with torch, which is not installed; pip install "
            "'ksdiff-jax[parity]'"
        ) from error
    return torch


def random_model(architecture: str, size: str):
    """Return the original with random weights, for inference."""
    import torch
    import transformers

    torch.manual_seed(0)
    transformers.utils.logging.disable_progress_bar()
    settings = dict(SIZES[size])
    if size == "large" and architecture != "wavlm":
        settings["conv_bias"] = True
    config = getattr(transformers, f"{CLASSES[architecture]}Config")(**settings)
    return getattr(transformers, f"{CLASSES[architecture]}Model")(config).eval()
