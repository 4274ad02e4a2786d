"""The whole training step: loss, gradients, clipping, AdamW, moving average, as `ksdiff-jax train`
compiles it.

The paper's configuration takes clips of stored features in bfloat16; the demo's encodes the sound
in the step, in float32. Steps are queued as in training. Model FLOPs are counted from the
configuration (`train/report/step_flops.py`), so that MFU has the same meaning for every variant.
Variants are interleaved with the default step, from the same program cache.
"""

import dataclasses
import functools
import statistics
from collections.abc import Callable
from typing import Any

import jax

from ksdiff_jax.bench.line import Part
from ksdiff_jax.bench.timing import Program, Programs, in_turn, ratio, seconds, spread
from ksdiff_jax.bench.workload import Size, made_up_batch, made_up_state, training_program
from ksdiff_jax.config import Config
from ksdiff_jax.layers.kernels.fused_attention import device_fuses
from ksdiff_jax.models import build_system
from ksdiff_jax.train.report.step_flops import step_flops
from ksdiff_jax.train.report.utilisation import peak_flops_per_s


class Training:
    """A compiled step, its state and its batch; every step advances the state."""

    def __init__(self, program: Program, lowering: "_Lowering"):
        self.program = program
        self._fixed = lowering.step.frozen, lowering.step.seed
        self._state = made_up_state(lowering.config, lowering.abstract)
        self._batch = jax.device_put(lowering.batch, jax.devices()[0])
        self.first_s = seconds(lambda: self.take(1))
        self.first_loss = float(self._metrics["loss"])

    def take(self, steps: int) -> Any:
        """Queue this many steps; the result is computed when they are done."""
        for _ in range(steps):
            self._state, self._metrics = self.program.call(self._state, self._batch, *self._fixed)
        return self._state, self._metrics


class _Lowering:
    """The inputs for compiling and running the step of a configuration on synthetic clips."""

    def __init__(self, config: Config, *, clips: int, frames: int, features: bool):
        self.config = config
        self.batch, space = made_up_batch(config, clips=clips, frames=frames, features=features)
        self.abstract, self.step = training_program(config, space)

    def __call__(self) -> jax.stages.Lowered:
        return self.step.lower(self.abstract, self.batch)


def compiled(
    configs: dict[str, Config], *, clips: int, frames: int, features: bool
) -> dict[str, Callable]:
    """Return the steps of several configurations, compiled concurrently; each is prepared when it
    is requested.
    """
    lowerings = {
        name: _Lowering(config, clips=clips, frames=frames, features=features)
        for name, config in configs.items()
    }
    programs = Programs(lowerings)
    return {
        name: functools.partial(_ready, programs, name, lowering)
        for name, lowering in lowerings.items()
    }


def _ready(programs: Programs, name: str, lowering: _Lowering) -> Training:
    return Training(programs[name], lowering)


@functools.lru_cache(maxsize=1)
def paper_step(config: Config, clips: int, frames: int) -> Training:
    """Return the default step, compiled once for all parts."""
    return compiled({"step": config}, clips=clips, frames=frames, features=True)["step"]()


def paper_parts(size: Size, *, repeats: int) -> list[Part]:
    """Return one part: the step of the paper's configuration."""

    def measure() -> dict:
        training = paper_step(size.paper, size.clips, size.frames)
        batch, _ = made_up_batch(size.paper, clips=size.clips, frames=size.frames)
        flops = step_flops(build_system(size.paper), batch)
        return figures(training, size.paper, flops=flops, steps=size.steps, repeats=repeats)

    return [(_paper_work(size), measure)]


def demo_parts(size: Size, *, repeats: int) -> list[Part]:
    """Return one part: the step of the demo's configuration."""
    config = size.demo
    clips, frames = config.data.batch_size, config.data.clip_frames

    def measure() -> dict:
        training = compiled({"step": config}, clips=clips, frames=frames, features=False)["step"]()
        batch, _ = made_up_batch(config, clips=clips, frames=frames, features=False)
        flops = step_flops(build_system(config), batch)
        return figures(training, config, flops=flops, steps=size.steps, repeats=repeats)

    return [(f"demo configuration, {clips} clips of {frames / 25:g} s, sound", measure)]


def variant_parts(size: Size, *, repeats: int) -> list[Part]:
    """Return the paper's step with `model.attention` xla, and without `train.scan_layers`, each
    against the default step.
    """
    config = size.paper
    model, train = config.model, config.train
    others = {
        "model.attention xla": dataclasses.replace(
            config, model=dataclasses.replace(model, attention="xla")
        ),
        "train.scan_layers False": dataclasses.replace(
            config, train=dataclasses.replace(train, scan_layers=False)
        ),
    }

    same = set() if device_fuses() else {"model.attention xla"}

    @functools.cache
    def all_compiled() -> dict[str, Callable]:
        different = {name: other for name, other in others.items() if name not in same}
        return compiled(different, clips=size.clips, frames=size.frames, features=True)

    def measure(name: str) -> dict:
        if name in same:
            return {
                "skipped": f"{jax.default_backend()}: attention is never fused here, both are the "
                "same program"
            }
        ours, other = paper_step(config, size.clips, size.frames), all_compiled()[name]()
        works = {"ours": lambda: ours.take(size.steps), "other": lambda: other.take(size.steps)}
        times = in_turn(works, repeats=repeats + 1)
        ours_s, other_s = times["ours"][1:], times["other"][1:]
        return {
            "dtype": model.compute_dtype,
            **spread(ours_s, calls=size.steps),
            **spread(other_s, calls=size.steps, name="ms_of_variant"),
            **ratio(other_s, ours_s),
            **other.program.costs(),
            "first_loss": ours.first_loss,
            "first_loss_of_variant": other.first_loss,
            **memory_of(other.program),
        }

    return [
        (f"{_paper_work(size)}: {name} over the default step", functools.partial(measure, name))
        for name in others
    ]


def figures(training: Training, config: Config, *, flops: float, steps: int, repeats: int) -> dict:
    """Measure times, TFLOP/s, MFU and memory of a step."""
    times_s = in_turn({"steps": lambda: training.take(steps)}, repeats=repeats + 1)["steps"][1:]
    step_s = statistics.median(times_s) / steps
    dtype = config.model.compute_dtype
    peak = peak_flops_per_s(jax.devices()[0].device_kind, dtype)
    return {
        "dtype": dtype,
        **spread(times_s, calls=steps),
        **training.program.costs(),
        "first_s": round(training.first_s, 3),
        "tflop_per_step": round(flops / 1e12, 4),
        "tflops_per_s": round(flops / step_s / 1e12, 3),
        "mfu": None if peak is None else round(flops / step_s / peak, 4),
        **memory_of(training.program),
        "first_loss": training.first_loss,
        "attention": config.model.attention,
        "scan_layers": config.train.scan_layers,
        "remat": config.train.remat,
    }


def memory_of(program: Program) -> dict:
    """Return the memory that the compiler reserves for one call: arguments, results outside the
    arguments' memory, and temporaries.
    """
    sizes = program.call.memory_analysis()
    if sizes is None:
        return {}
    kept = sizes.argument_size_in_bytes + sizes.output_size_in_bytes - sizes.alias_size_in_bytes
    return {"memory_gb": round((kept + sizes.temp_size_in_bytes) / 1e9, 3)}


def _paper_work(size: Size) -> str:
    return f"paper configuration, {size.clips} clips of {size.frames / 25:g} s, kept features"
