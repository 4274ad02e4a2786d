"""`ksdiff-jax bench train --paper`: the training step of the paper's configuration on one accelerator, as one line.

32 clips of 10 s, features of Wav2Vec 2.0 as if kept in the shards, bfloat16 products with float32 parameters, AdamW
and moving average: the whole step that `ksdiff-jax train` compiles, on made-up data. Steps are queued as in training;
the device is waited for once per repetition of `STEPS_PER_REPEAT`.

Only jax, flax, optax, NumPy and jaxtyping are imported on this path, so that it runs on a bare machine:

    python -m ksdiff_jax bench train --paper
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ksdiff_jax.config import Config, EncoderConfig, ModelConfig, PretrainedEncoderConfig

if TYPE_CHECKING:
    from ksdiff_jax.models.system import Batch, Statistics
    from ksdiff_jax.train.state import TrainState

CLIPS, FRAMES = 32, 250
STEPS_PER_REPEAT, WARM_UP_STEPS = 10, 3
TARGETS = {"ms_per_step": "<= 30", "mfu": ">= 0.28"}  # on an H200


def paper_config() -> Config:
    """configs/paper.py in bfloat16, with the layout of Wav2Vec 2.0 base written down."""
    encoder = EncoderConfig(kind="pretrained", architecture=PretrainedEncoderConfig())
    return Config(name="paper", model=ModelConfig(encoder=encoder, compute_dtype="bfloat16"))


def measure_paper(*, repeats: int, config: Config | None = None, clips: int = CLIPS, frames: int = FRAMES) -> dict:
    """Milliseconds per step, MFU and peak memory of training with kept features.

    Beside them the same with `train.scan_layers` the other way round, and the two paths grouped or not.
    """
    import jax

    from ksdiff_jax.cli.bench_train_grouped import measure_grouping
    from ksdiff_jax.models.ksdiff.flops import training_step_flops
    from ksdiff_jax.train.utilisation import peak_flops_per_s

    config = paper_config() if config is None else config
    batch, normal = made_up_batch(config, clips=clips, frames=frames)
    first_s, loss, times_s = _timed(config, batch, normal, repeats=repeats)
    step_s = statistics.median(times_s)
    flops = training_step_flops(config, batch=clips, frames=frames, features=True)
    device = jax.devices()[0]
    peak = peak_flops_per_s(device.device_kind, config.model.compute_dtype)
    memory = (device.memory_stats() or {}).get("peak_bytes_in_use")
    train = dataclasses.replace(config.train, scan_layers=not config.train.scan_layers)
    other_first_s, _, others_s = _timed(dataclasses.replace(config, train=train), batch, normal, repeats=repeats)
    other_s = statistics.median(others_s)
    return {
        "work": f"training step, paper configuration, {clips} clips of {frames / 25:g} s, kept features",
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
        "scan_layers_changed": {"first_step_s": round(other_first_s, 2), "ms_per_step": round(1000 * other_s, 3)},
        "attention": config.model.attention,
        "jax": jax.__version__,
        "targets_on_h200": TARGETS,
    }


def _timed(config: Config, batch: "Batch", normal: "Statistics", *, repeats: int) -> tuple[float, float, list[float]]:
    """Seconds until the first step is done, its loss, and the seconds of a step, `repeats` times."""
    import jax

    started = time.perf_counter()
    abstract, step = training_program(config, normal)
    state, batch = fresh_state(config, abstract), jax.device_put(batch, jax.devices()[0])
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


def training_program(config: Config, normal: "Statistics") -> tuple["TrainState", Callable]:
    """Shapes of the state, and the compiled step of `train` on one device: (state, batch) -> (state, metrics)."""
    import jax

    from ksdiff_jax.models.ksdiff.system import KSDiff
    from ksdiff_jax.parallel.mesh import make_mesh
    from ksdiff_jax.train.optimizer import make_optimizer
    from ksdiff_jax.train.state import abstract_state
    from ksdiff_jax.train.steps import make_train_step

    system, mesh = KSDiff(config), make_mesh(config.mesh, devices=jax.devices()[:1])
    optimizer = make_optimizer(config.train)
    abstract = abstract_state(system, optimizer, mesh)
    return abstract, make_train_step(system, optimizer, config, statistics=normal, abstract=abstract, mesh=mesh)


def fresh_state(config: Config, abstract: "TrainState") -> "TrainState":
    """The state at step 0, on the device."""
    import jax

    from ksdiff_jax.models.ksdiff.system import KSDiff
    from ksdiff_jax.train.optimizer import make_optimizer
    from ksdiff_jax.train.state import sharded_initial_state

    optimizer = make_optimizer(config.train)
    return sharded_initial_state(KSDiff(config), optimizer, jax.random.key(0), abstract=abstract)


def made_up_batch(config: Config, *, clips: int, frames: int, features: bool = True) -> tuple["Batch", "Statistics"]:
    """Random speech and smooth random motion of full length, and statistics that leave motion as it is."""
    import ml_dtypes
    import numpy as np

    from ksdiff_jax.models.system import Batch, Speech, Statistics

    draw = np.random.default_rng(0)
    encoder = config.model.encoder
    width = encoder.architecture.hidden_size if encoder.kind == "pretrained" else encoder.width

    def normal(*shape: int):
        return draw.standard_normal(shape, dtype=np.float32)

    tokens = draw.integers(3, 259, (clips, config.model.transcript.max_tokens)).astype(np.int32)
    speech = Speech(
        # As in the loader: with features there is no sound, and they are bfloat16.
        audio=0.1 * normal(clips, 0 if features else 640 * frames),
        prosody=normal(clips, 2 * frames, 2),
        mask=np.ones((clips, frames), bool),
        tokens=tokens,
        token_mask=np.ones(tokens.shape, bool),
        features=normal(clips, 2 * frames, width).astype(ml_dtypes.bfloat16) if features else None,
    )
    motion = np.cumsum(normal(clips, frames, 59), axis=1) / np.sqrt(frames)
    ones = np.ones(59, np.float32)
    return Batch(speech, motion.astype(np.float32)), Statistics(mean=0 * ones, std=ones)
