"""One training step of the UNet of the published size, for test_paper_size.py: prints a JSON line
with the parameters, the loss, the change of the parameters, seconds and the peak of the memory.
"""

import importlib.util
import json
import resource
import time
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.data.picture_rows import FramePair
from ksdiff_jax.models import build_system
from ksdiff_jax.motion.space import BFM
from ksdiff_jax.parallel.mesh import make_mesh
from ksdiff_jax.pictures.autoencoder import latent_shape
from ksdiff_jax.train.optimizer import make_optimizer
from ksdiff_jax.train.state import TrainState, abstract_state
from ksdiff_jax.train.steps import make_train_step
from ksdiff_jax.tree import parameter_count

CONFIG = Path(__file__).parents[4] / "configs" / "fd2talk_frames.py"


def published():
    """The published configuration with one frame a step, in float32."""
    spec = importlib.util.spec_from_file_location("published", CONFIG)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.config()
    return replace(
        config,
        model=replace(config.model, compute_dtype="float32"),
        data=replace(config.data, batch_size=1),
    )


def drawn_state(abstract, draw) -> TrainState:
    """A state at step 0 with random weights, whose initialisation compiles nothing."""

    def weights(leaf):
        scale = 1 / np.sqrt(np.prod(leaf.shape[:-1])) if len(leaf.shape) > 1 else 0.1
        return jax.device_put(scale * draw.standard_normal(leaf.shape, np.float32), leaf.sharding)

    def zeros(leaf):
        return jax.device_put(np.zeros(leaf.shape, leaf.dtype), leaf.sharding)

    params = jax.tree.map(weights, abstract.params)
    rest = jax.tree.map(zeros, abstract)
    return rest._replace(params=params, ema=jax.tree.map(jnp.copy, params))


def main() -> None:
    """Take the step."""
    config, draw = published(), np.random.default_rng(0)
    system, optimizer = build_system(config, BFM), make_optimizer(config.train)
    mesh = make_mesh(config.mesh)
    abstract = abstract_state(system, optimizer, mesh)
    state = drawn_state(abstract, draw)
    before = np.asarray(jax.tree.leaves(state.params)[0]).copy()
    shape = latent_shape(config.model.autoencoder, config.model.picture_side)
    motion, latents = (
        draw.standard_normal((2, 1, *size), np.float32) for size in ((BFM.width,), shape)
    )
    batch = FramePair(None, None, *motion, *latents)
    step = make_train_step(system, optimizer, abstract=abstract, mesh=mesh)
    started = time.perf_counter()
    compiled = step.lower(state, batch).compile()
    built = time.perf_counter()
    state, metrics = compiled(state, batch, step.frozen, step.seed)
    loss = float(metrics["loss"])
    ended = time.perf_counter()
    found = {
        "parameters": parameter_count(abstract.params),
        "loss": loss,
        "skipped": float(metrics["skipped"]),
        "moved": float(np.abs(np.asarray(jax.tree.leaves(state.params)[0]) - before).max()),
        "compile_s": round(built - started, 1),
        "step_s": round(ended - built, 1),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
