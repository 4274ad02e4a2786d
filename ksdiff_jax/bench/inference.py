"""`ksdiff-jax bench all`: the figures of inference with their goals, as JSON and as a table.

| row | definition |
|---|---|
| offline | seconds of speech per second of work: decode, pitch and energy, sample; 10 s of speech |
| load, decode, render | the stages that are not sampling, each on a line of its own |
| stream | delay of the first frame and frames a second of live speech (bench/live_stream.py) |
| paper | the paper's size with random weights in float32, sampler and steps `SAMPLER`, in |
|       | multiples of torch's Wav2Vec 2.0 base on the same sound, in turn |
| new process | `ksdiff-jax animate` of 5 s with programs that are kept, and as a multiple of |
|             | `import jax, flax, librosa`, also in a new process |
| lengths | padded lengths of 200 random durations, each of which is compiled once |
| first call ever | (`--long`) the same as new process with an empty cache |
| hour | (`--long`) time of an hour over six times that of ten minutes, and the peak of memory |

A row that cannot be measured has `error` or `skipped`, and the others are measured. Figures of
quality are those of `ksdiff-jax evaluate`, figures of an accelerator those of `bench device`.
"""

import argparse
import functools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ksdiff_jax.bench.line import measured
from ksdiff_jax.bench.machine import machine

SAMPLER = ("dpm++2m", 25)  # what `evaluate --samplers` chose on the shipped checkpoint
DURATIONS = 200


class Goal(NamedTuple):
    """A figure of a row, and what it should be."""

    name: str
    figure: str  # of the row's line
    bound: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Return whether a value reaches the goal."""
        return value >= self.bound if self.at_least else value <= self.bound


class Row(NamedTuple):
    """A measurement and its goals."""

    work: str
    measure: Callable[[], dict]
    goals: tuple[Goal, ...] = ()


def measure(args: argparse.Namespace) -> dict:
    """Measure all rows, print the table on standard error, and return the document."""
    found = rows(args)
    lines = [measured(name, row.work, row.measure, {}) for name, row in found.items()]
    print(table(lines, {name: row.goals for name, row in found.items()}), file=sys.stderr)
    return {"rows": lines, "machine": machine()}


def rows(args: argparse.Namespace) -> dict[str, Row]:
    """Return the rows by name; `args` has `checkpoint`, `steps`, `repeats` and `long`."""
    stages = functools.cache(lambda: _stages(args))
    found = {
        "offline": Row(
            "10 s of speech to motion, shipped checkpoint",
            lambda: {"times_real_time": round(1 / stages()["motion_real_time_factor"], 2)},
            (Goal("times real time", "times_real_time", 25, at_least=True),),
        ),
        "load": Row("checkpoint", lambda: {"s": stages()["load_checkpoint_s"]}),
        "decode": Row("10 s of sound", lambda: stages()["stages"]["decode"]),
        "render": Row("10 s of video", lambda: stages()["stages"]["render_and_encode"]),
        "stream": Row(
            "10 s of live speech",
            lambda: _stream(args),
            (
                Goal("first frame, ms", "first_frame_total_ms", 400),
                Goal("frames a second", "sustained_fps", 25, at_least=True),
            ),
        ),
        "paper 10 s": _paper_row(args, seconds=10, most=4.2),
        "paper 53 s": _paper_row(args, seconds=53, most=44.0),
        "new process": Row(
            "5 s of speech, programs kept",
            lambda: new_process(os.environ, calls=2),
            (Goal("seconds", "s", 8),),
        ),
        "lengths": Row(f"{DURATIONS} random durations up to 20 min", padded_lengths),
    }
    if args.long:
        found["first call ever"] = Row(
            "5 s of speech, empty cache", first_call, (Goal("seconds", "s", 40),)
        )
        found["hour"] = Row(
            "1 h of speech against 10 min",
            hour,
            (Goal("growth over linear", "over_linear", 1.15), Goal("peak, MB", "peak_mb", 2000)),
        )
    return found


def table(lines: list[dict], goals: dict[str, tuple[Goal, ...]]) -> str:
    """Return the rows in Markdown, one for each goal, and one for each row without any."""
    text = ["| figure | work | measured | goal | reached |", "|---|---|---|---|---|"]
    for line in lines:
        name, work = line["figure"], line["work"]
        if failure := line.get("error") or line.get("skipped"):
            text.append(f"| {name} | {work} | {failure} | | |")
            continue
        for goal in goals[name]:
            value, sign = line[goal.figure], "≥" if goal.at_least else "≤"
            reached = "yes" if goal.met(value) else "no"
            about = f"{name}: {goal.name}"
            text.append(f"| {about} | {work} | {value:g} | {sign} {goal.bound:g} | {reached} |")
        if not goals[name]:
            numbers = {key: value for key, value in line.items() if key not in ("figure", "work")}
            shown = ", ".join(f"{key} {value}" for key, value in numbers.items())
            text.append(f"| {name} | {work} | {shown} | | |")
    return "\n".join(text)


def _stages(args: argparse.Namespace) -> dict:
    from ksdiff_jax.bench.animate import measure as measure_animate

    return measure_animate(args)


def _stream(args: argparse.Namespace) -> dict:
    from ksdiff_jax.bench.live_stream import measure as measure_stream

    found = measure_stream(args)
    return {"first_frame_total_ms": found["first_frame_ms"]["total"]} | {
        name: found[name] for name in ("jitter_ms", "sustained_fps", "part_cpu_ms", "same_frames")
    }


def _paper_row(args: argparse.Namespace, *, seconds: int, most: float) -> Row:
    return Row(
        f"{seconds} s of speech to motion, paper's size, {SAMPLER[0]} {SAMPLER[1]}",
        lambda: paper_over_torch(seconds, repeats=args.repeats),
        (Goal("times torch's encoder", "ratio", most),),
    )


def paper_over_torch(seconds: int, *, repeats: int) -> dict:
    """Return the seconds of both, and the median, lowest and highest of their ratios. The torch
    forward is that of ten seconds, whatever `seconds` is.
    """
    import dataclasses

    import jax
    import numpy as np

    from ksdiff_jax.bench.encoder import installed_torch, random_model
    from ksdiff_jax.bench.sampling import Stages
    from ksdiff_jax.bench.timing import in_turn, ratio
    from ksdiff_jax.bench.workload import (
        made_up_batch,
        made_up_params,
        paper_config,
        with_sampler,
    )

    torch, theirs = installed_torch(), random_model("wav2vec2", "base")
    config = with_sampler(paper_config(), *SAMPLER)
    config = dataclasses.replace(
        config, model=dataclasses.replace(config.model, compute_dtype="float32")
    )
    batch, space = made_up_batch(config, clips=1, frames=25 * seconds, features=False)
    params = jax.device_put(made_up_params(config))
    stages, speech = Stages(config, space), batch.speech
    encoder, sampler = jax.jit(stages.encoder), jax.jit(stages.sampler)

    def ours() -> np.ndarray:
        features = encoder(params, speech)
        return np.asarray(sampler(params, speech._replace(features=features)))

    def torchs() -> None:
        with torch.inference_mode():
            theirs(torch.from_numpy(np.asarray(speech.audio[:, : 10 * 16_000])))

    in_turn({"ours": ours, "torch": torchs}, repeats=1)
    times = in_turn({"ours": ours, "torch": torchs}, repeats=repeats)
    return {
        "ours_s": round(statistics.median(times["ours"]), 3),
        "torch_s": round(statistics.median(times["torch"]), 3),
        **ratio(times["ours"], times["torch"]),
    }


def new_process(environment: dict, *, calls: int) -> dict:
    """Return the seconds of the last of several calls of `ksdiff-jax animate` on 5 s of speech,
    those of the imports in a new process, and the ratio.
    """
    from ksdiff_jax.audio.waveform import write_wav
    from ksdiff_jax.bench.voice import made_up_voice

    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "voice.wav"
        write_wav(recording, made_up_voice(5.0))
        options = ("animate", str(recording), "--formats", "npz", "--quiet", "--out")
        for number in range(calls):
            spent_s = _process_s(
                ["-m", "ksdiff_jax", *options, str(Path(folder) / str(number))], environment
            )
    imports_s = _process_s(["-c", "import jax, flax, librosa"], environment)
    return {
        "s": round(spent_s, 2),
        "imports_s": round(imports_s, 2),
        "ratio_to_imports": round(spent_s / imports_s, 2),
    }


def first_call() -> dict:
    """Return what `new_process` does for one call with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        return new_process(os.environ | {"XDG_CACHE_HOME": folder}, calls=1)


def padded_lengths() -> dict:
    """Return the number of padded lengths of random durations, and the number of buckets."""
    import numpy as np

    from ksdiff_jax.animate.batches import bucket_of
    from ksdiff_jax.animate.engine import BUCKETS
    from ksdiff_jax.animate.windows import plan_windows

    frames = np.random.default_rng(0).integers(1, 30_000, DURATIONS)
    windows = [w for count in frames for w in plan_windows(int(count), longest=BUCKETS[-1])]
    lengths = {bucket_of(window.frames, BUCKETS) for window in windows}
    return {"padded_lengths": len(lengths), "buckets": len(BUCKETS)}


def hour() -> dict:
    """Return the seconds of ten minutes and of an hour of speech in new processes, the growth over
    linear, and the peak of memory of the longer one.
    """
    short, long = _animated_s(600), _animated_s(3600)
    return {
        "ten_minutes_s": round(short[0], 1),
        "hour_s": round(long[0], 1),
        "over_linear": round(long[0] / short[0] / 6, 3),
        "peak_mb": round(long[1]),
    }


def _animated_s(seconds: int) -> tuple[float, float]:
    """Return the seconds of animating a voice of this length, whole minutes, in a new process,
    without start and compilation, and the process's peak of memory in MB.
    """
    code = (
        "import resource, time\n"
        "import numpy as np\n"
        "from ksdiff_jax.animate.animator import Animator\n"
        "from ksdiff_jax.bench.voice import made_up_voice\n"
        "animator = Animator.from_pretrained()\n"
        "animator(made_up_voice(60.0), sample_rate_hz=16_000)\n"
        f"voice = np.tile(made_up_voice(60.0), {seconds // 60})\n"
        "began = time.perf_counter()\n"
        "animator(voice, sample_rate_hz=16_000)\n"
        "spent = time.perf_counter() - began\n"
        "print(spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)"
    )
    done = _run(["-c", code], os.environ)
    spent_s, peak_mb = done.stdout.split()
    return float(spent_s), float(peak_mb)


def _process_s(arguments: list[str], environment: dict) -> float:
    began = time.perf_counter()
    _run(arguments, environment)
    return time.perf_counter() - began


def _run(arguments: list[str], environment: dict) -> subprocess.CompletedProcess:
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
