"""`ksdiff-jax animate --stream -`: raw PCM on standard input becomes motion while it arrives.

Standard output gets JSON lines: one that describes the stream, then one for each frame as soon as
it is computed. The first line is printed when all programs are compiled; sound that arrives earlier
waits, and its frames are late. With `--send` the frames go to programs that show a face instead
(`ksdiff-jax send`), by one clock that starts with the first frame; late ones are sent at once. A
thread computes the next part while the frames of the last one wait until they are due.
"""

import argparse
import contextlib
import math
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.cli.console import Console
from ksdiff_jax.cli.send import check_sending, opened, send_to
from ksdiff_jax.cli.streams import put
from ksdiff_jax.errors import InputError
from ksdiff_jax.live.ports import PORTS
from ksdiff_jax.plain_text import json_text

if TYPE_CHECKING:  # they are slow to import
    import numpy as np

    from ksdiff_jax.animate.animator import Animator
    from ksdiff_jax.animate.motion import Motion
    from ksdiff_jax.animate.stream import MotionStream
    from ksdiff_jax.live.frame import Stream

SCHEMA = "ksdiff-frames/1"
STANDARD_INPUT = "-"
SAMPLE_FORMATS = {"s16le": "<i2", "f32le": "<f4"}
SAMPLING = (
    *("steps", "sampler", "spacing", "guidance", "keyframe_guidance", "head_guidance"),
    *("lip_temperature", "style", "blinks"),
)
FIELDS = ("exp", "global_orient", "jaw_pose", "cam")
_OWN = ("sample_rate", "sample_format", "look_ahead_ms", "send", "host", "port", "from_port")
_ALLOWED = {
    *("stream", "subject", *_OWN, *SAMPLING),
    *("checkpoint", "encoder", "space", "device", "seed", "noise_id", "causal"),
    *("quiet", "verbose", "defaults", "passed_on"),
}
_READ_BYTES = 4096  # 64 ms of 32-bit floats at 16 kHz: the parts of one read are computed at once
_PARTS_AHEAD = 2
_WARM_UP_S = 1


def add_stream_arguments(group: argparse._ArgumentGroup) -> None:
    """Add the options of live speech."""
    group.add_argument(
        "--stream",
        metavar="-",
        help="animate raw PCM of one channel from standard input while it arrives, in the causal "
        "mode; one JSON line for each frame goes to standard output",
    )
    group.add_argument(
        "--sample-rate", type=int, default=16_000, metavar="HZ", help="of the PCM; default 16000"
    )
    group.add_argument(
        "--sample-format",
        choices=SAMPLE_FORMATS,
        default="s16le",
        help="of the PCM: 16-bit integers (default) or 32-bit floats, little-endian",
    )
    group.add_argument(
        "--look-ahead-ms",
        type=int,
        metavar="MS",
        help="sound after a frame that it may depend on: 40, 80, 120, 160 or 200; default the "
        "model's",
    )
    group.add_argument(
        "--send",
        nargs="+",
        choices=PORTS,
        metavar="PROTOCOL",
        help=f"send the frames instead of printing them, to one or more of {', '.join(PORTS)}",
    )
    group.add_argument("--host", default="127.0.0.1", help="the receiver; default: this machine")
    group.add_argument("--port", type=int, help="its UDP port, for one protocol; default the usual")
    group.add_argument(
        "--from-port", type=int, default=0, help="UDP port to send from; default: any free one"
    )
    group.add_argument(
        "--subject", default="ksdiff", help="the name that the receiver lists; default ksdiff"
    )


def run_stream(args: argparse.Namespace, defaults: Callable[[str], object]) -> int:
    """Animate standard input until it ends; `defaults(name)` is the default of an option."""
    _check(args, defaults)
    if args.send:
        console = Console("animate", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
        protocols = check_sending(args, args.send)
    else:  # standard output has JSON lines only
        console, protocols = Console("animate", quiet=args.quiet, as_json=True), []
    with opened(protocols, args) as places:
        animator = _animator(args)
        _warm_up(_stream(animator, args), args)
        stream = _stream(animator, args)
        parts = computed_ahead(_parts(stream, console, args.sample_format))
        if not args.send:
            about = {"space": animator.pretrained.space.name, "seed": args.seed}
            about |= {"checkpoint": animator.pretrained.digest}
            _print(parts, about | {"look_ahead_ms": stream.look_ahead_ms})
            return 0
        console.say(f"ready; sending to {', '.join(place.name for place in places.values())}")
        given = {"subject": args.subject, "fps": MOTION_RATE_HZ, "too_late_s": math.inf}
        return send_to(places, _frames(parts), console, **given)


def refuse_stream_options(args: argparse.Namespace, defaults: Callable[[str], object]) -> None:
    """Raise `InputError` if an option of live speech is given without `--stream`."""
    for name in (*_OWN, "subject"):
        if getattr(args, name) != defaults(name):
            raise InputError(f"{_option(name)}: for --stream only; add it, or leave this out")


def _check(args: argparse.Namespace, defaults: Callable[[str], object]) -> None:
    if args.stream != STANDARD_INPUT:
        raise InputError(f"--stream {args.stream}: need -, standard input; for a file: < FILE")
    allowed = _ALLOWED | ({"json"} if args.send else set())
    for name, value in vars(args).items():
        if name not in allowed and value not in (defaults(name), []):
            what = "SPEECH" if name == "speech" else _option(name)
            raise InputError(f"{what}: not for live speech (--stream); leave it out")
    if not args.send:
        for name in ("host", "port", "from_port", "subject"):
            if getattr(args, name) != defaults(name):
                raise InputError(f"{_option(name)}: an option of --send; add it, or leave this out")
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("--stream -: standard input is a terminal; need raw PCM through a pipe")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _animator(args: argparse.Namespace) -> "Animator":
    from ksdiff_jax.cli.device import keep_compilations, use_device

    use_device(args.device)
    keep_compilations()

    from ksdiff_jax.animate.animator import Animator
    from ksdiff_jax.models.pretrained import DEFAULT_NAME

    name = DEFAULT_NAME if args.checkpoint is None else args.checkpoint
    return Animator.from_pretrained(name, encoder=args.encoder, space=args.space)


def _stream(animator: "Animator", args: argparse.Namespace) -> "MotionStream":
    given = {name: getattr(args, name) for name in SAMPLING}
    options = {name: value for name, value in given.items() if value is not None}
    if args.noise_id is not None:
        options["noise_id"] = args.noise_id
    return animator.stream(
        sample_rate_hz=args.sample_rate,
        seed=args.seed,
        look_ahead_ms=args.look_ahead_ms,
        **options,
    )


def _warm_up(stream: "MotionStream", args: argparse.Namespace) -> None:
    """Compile, on silence, all programs of the stream."""
    import numpy as np

    parts = stream.push(np.zeros(args.sample_rate * _WARM_UP_S, np.float32)) + stream.finish()
    if args.send:
        list(_frames(iter(parts[:1])))


def _parts(stream: "MotionStream", console: Console, sample_format: str) -> Iterator["Motion"]:
    """Yield the parts of standard input; after a sample that is not finite those before it."""
    chunks = pcm_chunks(lambda: os.read(sys.stdin.fileno(), _READ_BYTES), sample_format, console)
    for chunk in chunks:
        try:
            yield from stream.push(chunk)
        except InputError as error:
            with contextlib.suppress(InputError):  # there was no sample before
                yield from stream.finish()
            raise error
    yield from stream.finish()


def pcm_chunks(
    read: Callable[[], bytes], sample_format: str, console: Console
) -> Iterator["np.ndarray"]:
    """Yield the samples (n,) of each `read()`, float32 or int16, until it returns nothing. A sample
    may be spread over two reads; half a sample at the end is left out with a warning.
    """
    import numpy as np

    dtype, left = np.dtype(SAMPLE_FORMATS[sample_format]), b""
    while given := read():
        given = left + given
        whole = len(given) - len(given) % dtype.itemsize
        left = given[whole:]
        yield np.frombuffer(given[:whole], dtype).astype(dtype.newbyteorder("="))
    if left:
        console.warn(f"the speech ended within a sample; its last bytes ({len(left)}) are left out")


def computed_ahead(parts: Iterator["Motion"]) -> Iterator["Motion"]:
    """Yield the parts, which a thread computes; raise its error after the parts before it."""
    found: queue.Queue = queue.Queue(maxsize=_PARTS_AHEAD)

    def compute() -> None:
        try:
            for part in parts:
                found.put(part)
            found.put(None)
        except BaseException as error:
            found.put(error)

    threading.Thread(target=compute, name="live-motion", daemon=True).start()
    while (part := found.get()) is not None:
        if isinstance(part, BaseException):
            raise part
        yield part


def _print(parts: Iterator["Motion"], about: dict) -> None:
    put(json_text({"schema": SCHEMA, "fps": MOTION_RATE_HZ, **about}))
    for part in parts:
        for number, time_s in enumerate(part.timestamps):
            values = {name: _numbers(getattr(part, name)[number]) for name in FIELDS}
            frame = part.meta["first_frame"] + number
            put(json_text({"frame": frame, "time_s": round(float(time_s), 6)} | values))


def _numbers(values: "np.ndarray") -> list[float]:
    """Return the shortest decimals that are these float32 numbers."""
    return [float(str(value)) for value in values]


def _frames(parts: Iterator["Motion"]) -> "Stream":
    from ksdiff_jax.export.take import Take
    from ksdiff_jax.live.frame import frames_of

    for part in parts:
        frames = frames_of(Take(part, part.fps, "live speech"))
        yield from zip(part.timestamps.tolist(), frames, strict=True)
