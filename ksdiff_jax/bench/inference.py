"""`ksdiff-jax bench all`: the figures of inference with their goals, as JSON and as a table.

| row | definition |
|---|---|
| offline | 10 s of speech (decode, pitch and energy, sample): seconds of speech per second of |
|         | work, and the work in multiples of a matrix product (`PRODUCT_SIZE`), in turn |
| load, decode, render | the stages that are not sampling, each on a line of its own |
| stream | delay of the first frame and frames a second of live speech (bench/live_stream.py) |
| streamed against offline | the command that measures it on recordings of people |
| paper | the paper's size with random weights in float32, sampler, steps and spacing |
|       | `SAMPLER`, in multiples of torch's Wav2Vec 2.0 base on ten seconds, in turn |
| paper, distilled | the same with the steps of a student, `DISTILLED` |
| new process | `ksdiff-jax animate` of 5 s with programs that are kept, and as a multiple of |
|             | `import jax, flax, librosa`, also in a new process |
| lengths | compilations for 200 random durations (bench/durations.py) |
| edits | change outside a second of an edited keyframe or a pinned span (bench/edited.py) |
| first call ever | (`--long`) the same as new process with an empty cache |
| three hours | (`--long`) time, memory, drift (bench/long_speech.py) |
| many files | (`--long`) 2,000 recordings, killed twice (bench/many_files.py) |

A row that cannot be measured has `error` or `skipped`, and the others are measured. Its lines of
the table are printed as soon as a row is measured. Figures of quality are those of `ksdiff-jax
evaluate`, figures of an accelerator those of `bench device`.
"""

import argparse
import functools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ksdiff_jax.bench.line import measured
from ksdiff_jax.bench.machine import machine
from ksdiff_jax.diffusion.config import SamplerName, Spacing
from ksdiff_jax.errors import InputError

Sampler = tuple[SamplerName, int, Spacing]  # the last: of the steps
# what `evaluate --samplers` chose on the shipped checkpoint
SAMPLER: Sampler = ("unipc", 5, "log_snr")
# the most steps of a student of `train distill`, which needs no guidance
DISTILLED: Sampler = ("ddim", 4, "trailing")
_LOAD = "from ksdiff_jax.animate.animator import Animator; Animator.from_pretrained()"
PRODUCT_SIZE = 4096  # rows and columns of a float32 matrix product of 137 GFLOP


HEADER = "| figure | work | measured | goal | reached |\n|---|---|---|---|---|"


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
    """Measure the rows, all or those of `args.only`, and return the document; print the table on
    standard error, row by row. Raise `InputError` for an unknown row.
    """
    found = chosen(rows(args), args.only)
    print(HEADER, file=sys.stderr, flush=True)
    lines = []
    for name, row in found.items():
        lines.append(measured(name, row.work, row.measure, {}))
        print("\n".join(of_table(lines[-1], row.goals)), file=sys.stderr, flush=True)
    return {"rows": lines, "machine": machine()}


def chosen(found: dict[str, Row], names: Sequence[str] | None) -> dict[str, Row]:
    """Return the rows with these names, in their usual order; None: all."""
    if unknown := [name for name in names or () if name not in found]:
        raise InputError(
            f"--only {unknown[0]}: no such row; there are {', '.join(found)}, and more with --long"
        )
    return {name: row for name, row in found.items() if names is None or name in names}


def rows(args: argparse.Namespace) -> dict[str, Row]:
    """Return the rows by name; `args` has `checkpoint`, `steps`, `repeats` and `long`."""
    from ksdiff_jax.bench import durations, edited

    stages = functools.cache(lambda: _stages(args))
    found = {
        "offline": Row(
            "10 s of speech to motion, shipped checkpoint",
            lambda: offline(args),
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
                Goal("same frames in chunks of 20 ms and 1 s", "same_frames", 1, at_least=True),
            ),
        ),
        "streamed against offline": Row(
            "recordings of people",
            lambda: {
                "skipped": "measured by ksdiff-jax evaluate --metrics real, with and without "
                "--causal"
            },
        ),
        "paper 10 s": _paper_row(args, SAMPLER, seconds=10, most=4.2),
        "paper 53 s": _paper_row(args, SAMPLER, seconds=53, most=44.0),
        "paper 10 s distilled": _paper_row(args, DISTILLED, seconds=10, most=2.6),
        "paper 53 s distilled": _paper_row(args, DISTILLED, seconds=53, most=22.0),
        "new process": Row(
            "5 s of speech, programs kept",
            lambda: new_process(os.environ, calls=2),
            (Goal("seconds", "s", 8), Goal("of it imports and loading", "load_s", 4)),
        ),
        "lengths": Row(
            f"{durations.DURATIONS} random durations up to 1 min, narrow model", _compilations
        ),
        "edits": Row(
            "a keyframe moved, two seconds pinned, same noise",
            lambda: edited.measure(args),
            (
                Goal("outside a second, % of std", "outside_percent", 1),
                Goal("pins exact", "pinned_exact", 1, at_least=True),
            ),
        ),
    }
    return found | (_long_rows() if args.long else {})


def _long_rows() -> dict[str, Row]:
    from ksdiff_jax.bench import long_speech, many_files

    return {
        "first call ever": Row(
            "5 s of speech, empty cache", first_call, (Goal("seconds", "s", 40),)
        ),
        "three hours": Row(
            "3 h of speech against 10 min",
            long_speech.measure,
            (
                Goal("growth over linear", "over_linear", 1.15),
                Goal("peak, MB", "peak_mb", 2000),
                Goal("drift of the last ten minutes, std", "drift", 4),
            ),
        ),
        "many files": Row(
            f"{many_files.FILES} files of 1 s, killed twice",
            many_files.measure,
            (
                Goal("every file once", "once", 1, at_least=True),
                Goal("manifest complete", "complete", 1, at_least=True),
            ),
        ),
    }


def of_table(line: dict, goals: Sequence[Goal]) -> list[str]:
    """Return the lines of a row in Markdown, one for each goal, or one if it has none."""
    name, work = line["figure"], line["work"]
    if failure := line.get("error") or line.get("skipped"):
        return [f"| {name} | {work} | {failure} | | |"]
    if not goals:
        numbers = {key: value for key, value in line.items() if key not in ("figure", "work")}
        shown = ", ".join(f"{key} {value}" for key, value in numbers.items())
        return [f"| {name} | {work} | {shown} | | |"]
    text = []
    for goal in goals:
        value, sign = line[goal.figure], "≥" if goal.at_least else "≤"
        reached, about = "yes" if goal.met(value) else "no", f"{name}: {goal.name}"
        text.append(f"| {about} | {work} | {value:g} | {sign} {goal.bound:g} | {reached} |")
    return text


def offline(args: argparse.Namespace) -> dict:
    """Return the speed of a checkpoint, from a file of 10 s to motion, as a multiple of real time;
    and the median, lowest and highest ratio of its time to that of the matrix product.
    """
    import jax
    import jax.numpy as jnp

    from ksdiff_jax.animate.animator import Animator
    from ksdiff_jax.audio.waveform import write_wav
    from ksdiff_jax.bench.animate import CLIP_S
    from ksdiff_jax.bench.timing import in_turn, ratio
    from ksdiff_jax.bench.voice import made_up_voice
    from ksdiff_jax.models.pretrained import DEFAULT_NAME

    animator = Animator.from_pretrained(args.checkpoint or DEFAULT_NAME)
    matrix = jnp.ones((PRODUCT_SIZE, PRODUCT_SIZE), jnp.float32)
    product = jax.jit(jnp.dot)
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "voice.wav"
        write_wav(recording, made_up_voice(CLIP_S))
        works = {
            "motion": lambda: animator(recording, steps=args.steps),
            "product": lambda: product(matrix, matrix),
        }
        in_turn(works, repeats=1)  # compiles
        times = in_turn(works, repeats=args.repeats)
    motion_s, product_s = (statistics.median(times[name]) for name in works)
    return {
        "times_real_time": round(CLIP_S / motion_s, 2),
        "motion_s": round(motion_s, 3),
        "product_s": round(product_s, 3),
        "product_gflops": round(2e-9 * PRODUCT_SIZE**3 / product_s, 1),
        **ratio(times["motion"], times["product"]),
    }


def _stages(args: argparse.Namespace) -> dict:
    from ksdiff_jax.bench.animate import measure as measure_animate

    return measure_animate(args)


def _stream(args: argparse.Namespace) -> dict:
    from ksdiff_jax.bench.live_stream import measure as measure_stream

    found = measure_stream(args)
    return {"first_frame_total_ms": found["first_frame_ms"]["total"]} | {
        name: found[name] for name in ("jitter_ms", "sustained_fps", "part_cpu_ms", "same_frames")
    }


def _paper_row(args: argparse.Namespace, sampler: Sampler, *, seconds: int, most: float) -> Row:
    return Row(
        f"{seconds} s of speech to motion, paper's size, {' '.join(map(str, sampler))}",
        lambda: paper_over_torch(seconds, sampler, repeats=args.repeats),
        (Goal("times torch's encoder", "ratio", most),),
    )


def paper_over_torch(seconds: int, sampler: Sampler, *, repeats: int) -> dict:
    """Return the seconds of both, and the median, lowest and highest of their ratios. The torch
    forward is that of ten seconds, whatever `seconds` is. The random weights find about one
    keyframe a second.
    """
    import dataclasses

    import jax
    import numpy as np

    from ksdiff_jax.bench.encoder import installed_torch, random_model
    from ksdiff_jax.bench.keyframes import with_sparse_keyframes
    from ksdiff_jax.bench.sampling import Stages
    from ksdiff_jax.bench.timing import in_turn, ratio
    from ksdiff_jax.bench.workload import (
        made_up_batch,
        made_up_params,
        paper_config,
        with_sampler,
    )

    torch, theirs = installed_torch(), random_model("wav2vec2", "base")
    config = with_sampler(paper_config(), *sampler)
    config = dataclasses.replace(
        config, model=dataclasses.replace(config.model, compute_dtype="float32")
    )
    batch, space = made_up_batch(config, clips=1, frames=25 * seconds, features=False)
    stages, speech = Stages(config, space), batch.speech
    encoder, sample = jax.jit(stages.encoder), jax.jit(stages.sampler)
    params = jax.device_put(made_up_params(config))
    features = encoder(params, speech)
    params, rates = with_sparse_keyframes(config, params, speech._replace(features=features))

    def ours() -> np.ndarray:
        features = encoder(params, speech)
        return np.asarray(sample(params, speech._replace(features=features)))

    def torchs() -> None:
        with torch.inference_mode():
            theirs(torch.from_numpy(np.asarray(speech.audio[:, : 10 * 16_000])))

    in_turn({"ours": ours, "torch": torchs}, repeats=1)
    times = in_turn({"ours": ours, "torch": torchs}, repeats=repeats)
    return {
        "ours_s": round(statistics.median(times["ours"]), 3),
        "torch_s": round(statistics.median(times["torch"]), 3),
        "keyframes_per_s": {track: round(rate, 2) for track, rate in rates.items()},
        **ratio(times["ours"], times["torch"]),
    }


def new_process(environment: Mapping[str, str], *, calls: int) -> dict:
    """Return the seconds of the last of several calls of `ksdiff-jax animate` on 5 s of speech;
    those of the imports and of loading the checkpoint, and of `import jax, flax, librosa`, each in
    a new process, also in CPU seconds, which other load on the machine changes less.
    """
    from ksdiff_jax.audio.waveform import write_wav
    from ksdiff_jax.bench.voice import made_up_voice

    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "voice.wav"
        write_wav(recording, made_up_voice(5.0))
        options = ("animate", str(recording), "--formats", "npz", "--quiet", "--out")
        for number in range(calls):
            call = _process(
                ["-m", "ksdiff_jax", *options, str(Path(folder) / str(number))], environment
            )
    load = _process(["-c", _LOAD], environment)
    imports = _process(["-c", "import jax, flax, librosa"], environment)
    return {
        "s": round(call.s, 2),
        "load_s": round(load.s, 2),
        "imports_s": round(imports.s, 2),
        "ratio_to_imports": round(call.s / imports.s, 2),
        "cpu_s": round(call.cpu_s, 2),
        "load_cpu_s": round(load.cpu_s, 2),
        "imports_cpu_s": round(imports.cpu_s, 2),
        "cpu_ratio_to_imports": round(call.cpu_s / imports.cpu_s, 2),
    }


def first_call() -> dict:
    """Return what `new_process` does for one call with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        empty = {"XDG_CACHE_HOME": folder, "NUMBA_CACHE_DIR": str(Path(folder) / "numba")}
        return new_process(os.environ | empty, calls=1)


def _compilations() -> dict:
    from ksdiff_jax.bench import durations

    found = durations.measure()
    if found["compilations"] > found["buckets"]:
        raise RuntimeError(f"{found['compilations']} compilations for {found['buckets']} buckets")
    return found


class _Spent(NamedTuple):
    """What a process took, on the clock and of processors."""

    s: float
    cpu_s: float


def _process(arguments: list[str], environment: Mapping[str, str]) -> _Spent:
    began, before = time.perf_counter(), os.times()
    command = [sys.executable, *arguments]
    subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    after = os.times()
    cpu_s = after.children_user - before.children_user
    return _Spent(
        time.perf_counter() - began, cpu_s + after.children_system - before.children_system
    )
