"""Speed of `ksdiff-jax animate`, stage by stage, on ten seconds of a synthetic voice.

Each stage is warmed up once and then timed `--repeats` times; its result is on the host before the
clock stops. The first call, which compiles or loads a compiled program, is reported separately. The
real-time factor is seconds of work per second of speech.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ksdiff_jax.bench.machine import machine

CLIP_S = 10.0


def measure(args: argparse.Namespace) -> dict:
    """Measure the stages of `animate` on `CLIP_S` seconds of a synthetic voice."""
    with tempfile.TemporaryDirectory() as folder:
        return _measure(args, Path(folder))


def _measure(args: argparse.Namespace, folder: Path) -> dict:
    from ksdiff_jax.animate.animator import Animator
    from ksdiff_jax.audio.prosody import extract_prosody
    from ksdiff_jax.audio.waveform import load_audio, write_wav
    from ksdiff_jax.bench.voice import made_up_voice

    started = time.perf_counter()
    animator = (
        Animator.from_pretrained(args.checkpoint) if args.checkpoint else Animator.from_pretrained()
    )
    loaded_s = time.perf_counter() - started
    options = animator.options(steps=args.steps)
    recording = folder / "voice.wav"
    write_wav(recording, made_up_voice(CLIP_S))
    audio = load_audio(recording)
    utterance = animator.read(recording)
    motion = animator.animate([utterance], steps=args.steps)[0]
    stages: dict[str, Callable[[], object]] = {
        "decode": lambda: load_audio(recording),
        "prosody": lambda: extract_prosody(audio),
        "sample": lambda: animator.animate([utterance], steps=args.steps),
        "render_and_encode": lambda: motion.render(folder / "a.mp4", audio=recording),
    }
    results = {name: _timed(work, repeats=args.repeats) for name, work in stages.items()}
    return {
        "work": f"{CLIP_S:g} s of speech, {options.sampler} of {options.steps} steps, video 512 x "
        "512",
        "checkpoint": {"name": animator.config.name, "digest": animator.pretrained.digest},
        "load_checkpoint_s": round(loaded_s, 4),
        "stages": results,
        "motion_real_time_factor": _factor(results, ("decode", "prosody", "sample")),
        "video_real_time_factor": _factor(results, tuple(stages)),
        "machine": machine(),
    }


def _timed(work: Callable[[], object], *, repeats: int) -> dict:
    def once() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    first = once()
    times = [once() for _ in range(repeats)]
    return {
        "median_s": round(statistics.median(times), 4),
        "fastest_s": round(min(times), 4),
        "slowest_s": round(max(times), 4),
        "first_s": round(first, 4),
        "real_time_factor": round(statistics.median(times) / CLIP_S, 4),
    }


def _factor(results: dict, names: tuple[str, ...]) -> float:
    return round(sum(results[name]["median_s"] for name in names) / CLIP_S, 4)
