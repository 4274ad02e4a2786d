"""Speed of live speech (`animator.stream`), on ten seconds of a synthetic voice.

| name | definition |
|---|---|
| first_frame_ms | first sample to first frame: the sound that a block needs, and its computation |
| delay_ms | time of a frame in the speech to its output, of the first frame of every part |
| jitter_ms | p95 minus p50 of these delays |
| sustained_fps | frames a second if all sound is there: 25 is real time |
| part_ms, part_cpu_ms | computation of one part (160 ms), on the clock and in CPU time |

Sound arrives in chunks of 20 ms in real time for the delays, and in chunks of 20 ms and of 1 s as
fast as it is taken for the others; `same_frames` is whether both gave the same bits. The first
stream of the process compiles its programs and is reported apart.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ, SAMPLE_RATE_HZ
from ksdiff_jax.bench.machine import machine
from ksdiff_jax.bench.voice import made_up_voice
from ksdiff_jax.typing import Float

if TYPE_CHECKING:
    from ksdiff_jax.animate.stream import MotionStream

SPEECH_S = 10.0
SMALL_CHUNK, LARGE_CHUNK = SAMPLE_RATE_HZ // 50, SAMPLE_RATE_HZ


def measure(args: argparse.Namespace) -> dict:
    """Measure the streams of a checkpoint; `args` has `checkpoint` and `steps`."""
    from ksdiff_jax.animate.animator import Animator

    started = time.perf_counter()
    animator = (
        Animator.from_pretrained(args.checkpoint) if args.checkpoint else Animator.from_pretrained()
    )
    loaded_s = time.perf_counter() - started
    options = {} if args.steps is None else {"steps": args.steps}
    sample = animator.options(**options)

    def stream() -> "MotionStream":
        return animator.stream(**options)

    return {
        "work": f"{SPEECH_S:g} s of live speech, {sample.sampler} of {sample.steps} steps, motion "
        "only",
        "checkpoint": {"name": animator.config.name, "digest": animator.pretrained.digest},
        "load_checkpoint_s": round(loaded_s, 4),
        **measured(stream, made_up_voice(SPEECH_S)),
        "machine": machine(),
    }


def measured(stream: Callable[[], "MotionStream"], speech: Float[np.ndarray, "s"]) -> dict:
    """Return the figures of the table for streams of this speech at 16 kHz."""
    started = time.perf_counter()
    _taken(stream(), speech, LARGE_CHUNK)
    first_s = time.perf_counter() - started
    in_small, small_s, cpu_s = _taken(stream(), speech, SMALL_CHUNK)
    in_large, large_s, _ = _taken(stream(), speech, LARGE_CHUNK)
    look_ahead_ms = stream().look_ahead_ms
    delays_ms = _delays_ms(stream(), speech)
    p50, p95 = np.percentile(delays_ms, (50, 95))
    sound_ms = look_ahead_ms + 1000 / MOTION_RATE_HZ
    return {
        "first_stream_s": round(first_s, 3),
        "look_ahead_ms": look_ahead_ms,
        "first_frame_ms": {
            "total": round(delays_ms[0], 1),
            "sound": round(sound_ms, 1),
            "computation": round(delays_ms[0] - sound_ms, 1),
        },
        "delay_ms": {
            "p50": round(float(p50), 1),
            "p95": round(float(p95), 1),
            "longest": round(max(delays_ms), 1),
        },
        "jitter_ms": round(float(p95 - p50), 1),
        "sustained_fps": round(len(in_small) / sum(small_s), 2),
        "sustained_fps_large_chunks": round(len(in_large) / sum(large_s), 2),
        "part_ms": round(1000 * statistics.median(small_s), 2),
        "part_cpu_ms": round(1000 * statistics.median(cpu_s), 2),
        "same_frames": bool(np.array_equal(in_small, in_large)),
    }


def _chunks(speech: Float[np.ndarray, "s"], size: int) -> list[Float[np.ndarray, "n"]]:
    return [speech[at : at + size] for at in range(0, len(speech), size)]


def _taken(
    stream: "MotionStream", speech: Float[np.ndarray, "s"], size: int
) -> tuple[Float[np.ndarray, "t m"], list[float], list[float]]:
    """Return the motion, and the seconds and CPU seconds of every call that returned parts."""
    motion, times_s, cpu_s = [], [], []
    calls = [lambda chunk=chunk: stream.push(chunk) for chunk in _chunks(speech, size)]
    for call in (*calls, stream.finish):
        began, cpu_began = time.perf_counter(), time.process_time()
        parts = call()
        if parts:
            times_s.append(time.perf_counter() - began)
            cpu_s.append(time.process_time() - cpu_began)
            motion += [part.coefficients for part in parts]
    return np.concatenate(motion), times_s, cpu_s


def _delays_ms(stream: "MotionStream", speech: Float[np.ndarray, "s"]) -> list[float]:
    """Return the delay of the first frame of each part, of sound that arrives in real time."""
    start, delays, given = time.monotonic(), [], 0
    for chunk in _chunks(speech, SMALL_CHUNK):
        given += len(chunk)
        if (wait := start + given / SAMPLE_RATE_HZ - time.monotonic()) > 0:
            time.sleep(wait)
        parts = stream.push(chunk)
        now = time.monotonic() - start
        delays += [1000 * (now - float(part.timestamps[0])) for part in parts]
    return delays
