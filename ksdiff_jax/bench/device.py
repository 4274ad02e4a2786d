"""`ksdiff-jax bench device`: accuracy and speed of one accelerator on this model, one JSON line per
figure.

Programs that compile fast come first. `--no-autotune` halves the compilation on a GPU, but
convolutions then took 16 to 700 times as long (H200, jax 0.11.2: the front end of Wav2Vec 2.0 on
10 s of sound 106 ms instead of 0.4), and with them the paper's encoder and training step. Every
line has the level of autotuning as `autotune`, null for XLA's default. The paper's step is measured
with `train.scan_layers`, which compiles in less time.

A line is printed as soon as it is measured. If a measurement fails, its line has `error` instead of
numbers, and the next ones are measured. Figures that have not started when the time limit is
reached are listed and left out. This path imports nothing except jax, flax, optax, ml_dtypes and
NumPy, so that it runs from a bare source tree: `python -m ksdiff_jax bench device`.
"""

import importlib
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax

from ksdiff_jax.bench.line import Part, measured
from ksdiff_jax.bench.workload import Size

_OVER = "the time limit of "


class Figure(NamedTuple):
    """A description of the measurement, and the function of `ksdiff_jax.bench` that lists its
    parts.
    """

    about: str
    module: str
    function: str = "parts"

    def parts(self, size: Size, *, repeats: int) -> list[Part]:
        """Return the parts; this imports the module."""
        return getattr(importlib.import_module(f"ksdiff_jax.bench.{self.module}"), self.function)(
            size, repeats=repeats
        )


FIGURES = {
    "hardware": Figure("devices, memory, large matrix products, copies", "hardware"),
    "attention": Figure(
        "plain attention against cuDNN's, at the shapes of the paper configuration", "attention"
    ),
    "agreement": Figure(
        "loss, gradients and a sample against this machine's CPU, demo configuration", "agreement"
    ),
    "sample-demo": Figure(
        "latency of 10 s and 53 s, 64 clips at once, demo configuration", "sampling", "demo_parts"
    ),
    "train-demo": Figure("training step of the demo configuration", "training", "demo_parts"),
    "train": Figure(
        "training step of the paper configuration: ms, TFLOP/s, MFU, memory",
        "training",
        "paper_parts",
    ),
    "sample-shipped": Figure(
        "latency of 10 s and 53 s, 64 clips at once, the shipped checkpoint's weights",
        "sampling",
        "shipped_parts",
    ),
    "sample": Figure(
        "latency of 10 s and 53 s, 64 clips at once, paper configuration", "sampling", "paper_parts"
    ),
    "keyframes": Figure(
        "keyframes of 10 s and 53 s, paper configuration: decoded frame by frame, by Jacobi "
        "iteration, in blocks",
        "keyframes",
    ),
    "samplers": Figure(
        "latency of 10 s and 53 s with samplers of few steps, paper configuration",
        "sampling",
        "few_step_parts",
    ),
    "stream": Figure("one block of live speech, 160 ms: p50 and p95", "streaming"),
    "train-variants": Figure(
        "the paper's step with plain attention, and unrolled", "training", "variant_parts"
    ),
    "frames": Figure(
        "FD2Talk's frames at the paper's size: parameters, FLOPs, training, 25 frames of 256²",
        "frames",
    ),
}


def is_over_the_limit(line: dict) -> bool:
    """Return whether a line reports that its part was not started because of the time limit."""
    return str(line.get("skipped", "")).startswith(_OVER)


def measure(
    size: Size,
    *,
    names: Sequence[str] = tuple(FIGURES),
    repeats: int,
    limit_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[dict]:
    """Yield the line of each figure as soon as it is measured; no part starts after `limit_s`
    seconds.
    """
    began = clock()
    device = jax.devices()[0]
    for name in names:
        parts = _parts(FIGURES[name], size, repeats)
        for work, numbers in parts:
            about = {
                "device": device.device_kind,
                "jax": jax.__version__,
                "autotune": autotune_level(),
            }
            if clock() - began >= limit_s:
                yield {
                    "figure": name,
                    "work": work,
                    "skipped": f"{_OVER}{limit_s:g} s is reached",
                    **about,
                }
                continue
            yield measured(name, work, numbers, about) | {"at_s": round(clock() - began, 1)}


def autotune_level() -> int | None:
    """Return the effort that XLA spends on autotuning GPU kernels, from `XLA_FLAGS`; None for its
    default.
    """
    found = re.findall(r"--xla_gpu_autotune_level=(\d+)", os.environ.get("XLA_FLAGS", ""))
    return int(found[-1]) if found else None


def _parts(figure: Figure, size: Size, repeats: int) -> list[Part]:
    """Return the parts; a figure that cannot list them is one part, which fails."""
    try:
        return figure.parts(size, repeats=repeats)
    except Exception as error:
        failure = error

        def fails() -> dict:
            raise failure

        return [(figure.about, fails)]
