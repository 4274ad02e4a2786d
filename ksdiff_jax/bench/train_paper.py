"""`ksdiff-jax bench train --paper`: the training step of the paper's configuration on one
accelerator, as one line.

The work is 32 clips of 10 s, with features of Wav2Vec 2.0 as stored in the shards, bfloat16
products with float32 parameters, AdamW and moving average: the whole step that `ksdiff-jax train`
compiles, on synthetic data. Steps are queued as in training; the benchmark waits for the device
once per repetition of `STEPS_PER_REPEAT`.

This path imports only jax, flax, optax, ml_dtypes and NumPy, so that it runs on a bare machine:

    python -m ksdiff_jax bench train --paper
"""

import dataclasses
import statistics
import time
from typing import TYPE_CHECKING

from ksdiff_jax.bench.workload import made_up_batch, made_up_state, paper_config, training_program
from ksdiff_jax.config import Config

if TYPE_CHECKING:
    from ksdiff_jax.data.batch import Batch
    from ksdiff_jax.motion.space import MotionSpace

CLIPS, FRAMES = 32, 250
STEPS_PER_REPEAT, WARM_UP_STEPS = 10, 3
TARGETS = {"ms_per_step": "<= 30", "mfu": ">= 0.28"}  # on an H200


def measure_paper(
    *, repeats: int, config: Config | None = None, clips: int = CLIPS, frames: int = FRAMES
) -> dict:
    """Measure milliseconds per step, MFU and peak memory of training with stored features.

    The same is measured with `train.scan_layers` inverted, and with the two paths grouped and
    separate.
    """
    import jax

    from ksdiff_jax.bench.train_grouped import measure_grouping
    from ksdiff_jax.models import build_system
    from ksdiff_jax.train.report.step_flops import step_flops
    from ksdiff_jax.train.report.utilisation import peak_flops_per_s

    config = paper_config() if config is None else config
    batch, space = made_up_batch(config, clips=clips, frames=frames)
    first_s, loss, times_s = _timed(config, batch, space, repeats=repeats)
    step_s = statistics.median(times_s)
    flops = step_flops(build_system(config), batch)
    device = jax.devices()[0]
    peak = peak_flops_per_s(device.device_kind, config.model.compute_dtype)
    memory = (device.memory_stats() or {}).get("peak_bytes_in_use")
    train = dataclasses.replace(config.train, scan_layers=not config.train.scan_layers)
    other_first_s, _, others_s = _timed(
        dataclasses.replace(config, train=train), batch, space, repeats=repeats
    )
    other_s = statistics.median(others_s)
    return {
        "work": f"training step, paper configuration, {clips} clips of {frames / 25:g} s, kept "
        "features",
        "ms_per_step": round(1000 * step_s, 3),
        "ms_fastest": round(1000 * min(times_s), 3),
        "ms_slowest": round(1000 * max(times_s), 3),
        "tflop_per_step": round(flops / 1e12, 4),
        "tflops_per_s": round(flops / step_s / 1e12, 3),
        "mfu": None if peak is None else round(flops / step_s / peak, 4),
        "peak_memory_gb": None if memory is None else round(memory / 1e9, 3),
        "hours_for_100k_steps": round(100_000 * step_s / 3600, 3),
        "first_step_s": round(first_s, 2),
        "first_loss": round(loss, 4),
        "two_paths": measure_grouping(config, clips=clips, frames=frames, repeats=repeats),
        "device": device.device_kind,
        "dtype": config.model.compute_dtype,
        "remat": config.train.remat,
        "scan_layers": config.train.scan_layers,
        "scan_layers_changed": {
            "first_step_s": round(other_first_s, 2),
            "ms_per_step": round(1000 * other_s, 3),
        },
        "attention": config.model.attention,
        "jax": jax.__version__,
        "targets_on_h200": TARGETS,
    }


def _timed(
    config: Config, batch: "Batch", space: "MotionSpace", *, repeats: int
) -> tuple[float, float, list[float]]:
    """Return the seconds until the first step is done, its loss, and the seconds of a step,
    `repeats` times.
    """
    import jax

    started = time.perf_counter()
    abstract, step = training_program(config, space)
    state, batch = made_up_state(config, abstract), jax.device_put(batch, jax.devices()[0])
    state, metrics = step(state, batch)
    loss = float(metrics["loss"])
    first_s = time.perf_counter() - started
    for _ in range(WARM_UP_STEPS):
        state, metrics = step(state, batch)
    jax.block_until_ready(metrics)
    times_s = []
    for _ in range(repeats):
        begun = time.perf_counter()
        for _ in range(STEPS_PER_REPEAT):
            state, metrics = step(state, batch)
        jax.block_until_ready((state, metrics))
        times_s.append((time.perf_counter() - begun) / STEPS_PER_REPEAT)
    return first_s, loss, times_s
