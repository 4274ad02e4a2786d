"""`ksdiff-jax bench animate|encoder|data|tracker|train|device`: the speed of this machine on fixed
work, as JSON.

The work of `animate` is ten seconds of a made-up voice through every stage of `ksdiff-jax animate`.
Each stage is warmed up once and then timed `--repeats` times; its result is on the host before the
clock stops. The first call, which compiles or loads a compiled program, is reported apart.
Real-time factor: seconds of work per second of speech. The others are described in `bench_encoder`,
`bench_data`, `bench_tracker`, `bench_train` and `bench_device`.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ksdiff_jax.cli.bench_data import measure as measure_data
from ksdiff_jax.cli.bench_device import add_device_arguments, refuse_device_options, run_device
from ksdiff_jax.cli.bench_encoder import CLASSES, SIZES, use_cores
from ksdiff_jax.cli.bench_encoder import measure as measure_encoder
from ksdiff_jax.cli.bench_tracker import measure as measure_tracker
from ksdiff_jax.cli.bench_train import measure as measure_train
from ksdiff_jax.cli.bench_train_paper import measure_paper
from ksdiff_jax.cli.bench_train_plan import paper_counts, plan
from ksdiff_jax.plain_text import json_text

SUMMARY = "speed of this machine on fixed work, as JSON"
EXAMPLES = """examples:
  ksdiff-jax bench animate
  ksdiff-jax bench animate --steps 10 --repeats 9 --checkpoint runs/demo
  ksdiff-jax bench encoder
  ksdiff-jax bench encoder --architecture wavlm --size large --threads 4
  ksdiff-jax bench data
  ksdiff-jax bench tracker --repeats 3
  ksdiff-jax bench train
  ksdiff-jax bench train --paper --repeats 20          on an accelerator; one line
  ksdiff-jax bench device --out device.jsonl           on an accelerator; needs JAX, Flax and Optax
  ksdiff-jax bench device --only train attention
  ksdiff-jax bench device --small --device cpu         the same programs, small, on any machine
"""
CLIP_S = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure, how often, on what."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "what",
        choices=("animate", "encoder", "data", "tracker", "train", "device"),
        help="animate: 10 s of speech to motion and video; encoder: a pretrained encoder of ours "
        "beside torch's; "
        "data: shards to training batches; tracker: raw video to coefficients (needs `make "
        "tracker`); "
        "train: training steps of the demo model beside torch's; "
        "device: what an accelerator does with this model, one line per figure",
    )
    parser.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="timed runs of each stage; default 5"
    )
    parser.add_argument("--checkpoint", metavar="DIR", help="default: the shipped one")
    parser.add_argument(
        "--steps", type=int, metavar="N", help="denoising steps; default the checkpoint's"
    )
    parser.add_argument(
        "--device", choices=("cpu", "gpu", "tpu"), help="default: the best that JAX finds"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help="data: reader processes; default 0, in this one",
    )
    parser.add_argument(
        "--paper", action="store_true", help="train: the paper's configuration, 32 clips of 10 s"
    )
    parser.add_argument(
        "--plan", action="store_true", help="train: expected times on many hosts, as a table"
    )
    parser.add_argument(
        "--threads", type=int, default=2, metavar="N", help="encoder, train: cores; default 2"
    )
    group = parser.add_argument_group("encoder")
    group.add_argument(
        "--architecture", choices=tuple(CLASSES), default="wav2vec2", help="default wav2vec2"
    )
    group.add_argument("--size", choices=tuple(SIZES), default="base", help="default base")
    add_device_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Measure and print one JSON document."""
    from ksdiff_jax.cli.device import keep_compilations, use_device
    from ksdiff_jax.errors import InputError

    if args.repeats < 1:
        raise InputError(f"--repeats {args.repeats}: need at least 1")
    if args.workers < 0:
        raise InputError(f"--workers {args.workers}: need 0 or more")
    if args.threads < 1:
        raise InputError(f"--threads {args.threads}: need at least 1")
    if args.what == "device":
        return run_device(args)
    refuse_device_options(args)
    if args.what == "data":
        print(json_text(measure_data(args), indent=2))
        return 0
    if args.what == "train" and args.plan:
        use_device("cpu")  # nothing is computed
        clip_flops, parameters = paper_counts()
        print(plan(clip_flops=clip_flops, parameters=parameters))
        return 0
    if args.what == "train" and args.paper:
        use_device(args.device)
        print(json_text(measure_paper(repeats=args.repeats)))
        return 0
    if args.what in ("encoder", "train"):
        use_cores(args.threads)  # before JAX counts the cores
    use_device(args.device or ("cpu" if args.what in ("encoder", "train") else None))
    keep_compilations()
    others = {"encoder": measure_encoder, "tracker": measure_tracker, "train": measure_train}
    if args.what in others:
        print(json_text(others[args.what](args), indent=2))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        print(json_text(_measure(args, Path(folder)), indent=2))
    return 0


def _measure(args: argparse.Namespace, folder: Path) -> dict:
    from ksdiff_jax.animate.animator import Animator
    from ksdiff_jax.audio.prosody import extract_prosody
    from ksdiff_jax.audio.waveform import load_audio, write_wav

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


def made_up_voice(seconds: float):
    """A buzz of gliding pitch and syllable-like loudness: enough for every stage to have its usual
    work.
    """
    import numpy as np

    time_s = np.arange(round(seconds * 16_000)) / 16_000
    phase = 2 * np.pi * np.cumsum(130 + 30 * np.sin(2 * np.pi * 0.4 * time_s)) / 16_000
    buzz = sum(np.sin(k * phase) / k for k in range(1, 20))
    loudness = np.clip(np.sin(2 * np.pi * 2.3 * time_s) + 0.3, 0, 1)
    return (0.15 * buzz * loudness).astype(np.float32)


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


def machine() -> dict:
    """What the figures were measured on."""
    import importlib.metadata

    import jax

    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":")[1].strip()
            for line in cpuinfo.read_text().splitlines()
            if line.startswith("model name")
        ]
        processor = names[0] if names else processor
    return {
        "processor": processor,
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "device": jax.devices()[0].device_kind,
        "load_average": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        "jax": importlib.metadata.version("jax"),
        "numpy": importlib.metadata.version("numpy"),
    }
