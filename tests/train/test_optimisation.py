"""The compiled training step against AdamW, clipping, warm-up and the average of weights in plain
NumPy.

The gradient of the system is taken as it is; everything that is made of it is computed once more.
"""

import jax
import numpy as np

from ksdiff_jax.config import MeshConfig
from ksdiff_jax.parallel.arrays import global_batch
from ksdiff_jax.parallel.mesh import make_mesh
from ksdiff_jax.rng import numbered, stream
from ksdiff_jax.train.optimizer import make_optimizer
from ksdiff_jax.train.state import abstract_state, sharded_initial_state
from ksdiff_jax.train.steps import make_train_step
from ksdiff_jax.tree import named_leaves
from tests.train.toy import ToySystem, toy_batch, toy_config

STEPS, WARM_UP, PEAK, CLIP, DECAY, WEIGHT_DECAY = 4, 3, 0.02, 0.05, 0.15, 0.3
CONFIG = toy_config(
    learning_rate=PEAK,
    warmup_steps=WARM_UP,
    clip_norm=CLIP,
    ema_decay=DECAY,
    weight_decay=WEIGHT_DECAY,
)


def in_float64(tree):
    return {
        name: np.asarray(jax.device_get(leaf), np.float64)
        for name, leaf in named_leaves(tree).items()
    }


def test_four_steps_are_clipped_adamw_with_warm_up_and_a_moving_average():
    system, optimizer = ToySystem(CONFIG), make_optimizer(CONFIG.train)
    mesh = make_mesh(MeshConfig(), devices=jax.devices()[:1])

    def loss(params, batch, keys):
        terms = system.loss(params, batch, keys, train=True)
        return sum(terms.values()).mean()

    gradient = jax.jit(jax.grad(loss))
    with jax.set_mesh(mesh):
        abstract = abstract_state(system, optimizer, mesh)
        state = sharded_initial_state(system, optimizer, jax.random.key(0), abstract=abstract)
        step = make_train_step(system, optimizer, abstract=abstract, mesh=mesh)
        weights = average = in_float64(state.params)
        first = second = {name: np.zeros_like(leaf) for name, leaf in weights.items()}
        for n in range(STEPS):
            batch, key = toy_batch(n), stream(jax.random.key(CONFIG.train.seed), "train", n)
            keys = numbered(key, np.arange(len(batch.motion)))
            gradients = in_float64(gradient(state.params, batch, keys))
            norm = np.sqrt(sum(np.sum(g**2) for g in gradients.values()))
            assert norm > 2 * CLIP
            rate = PEAK * min(1, (n + 1) / WARM_UP)
            for name, g in gradients.items():
                g = g * CLIP / norm
                first = first | {name: 0.9 * first[name] + 0.1 * g}
                second = second | {name: 0.999 * second[name] + 0.001 * g**2}
                update = (
                    first[name]
                    / (1 - 0.9 ** (n + 1))
                    / (np.sqrt(second[name] / (1 - 0.999 ** (n + 1))) + 1e-8)
                )
                shrunk = WEIGHT_DECAY * weights[name] * (g.ndim > 1)
                weights = weights | {name: weights[name] - rate * (update + shrunk)}
            old = min(DECAY, (1 + n) / (10 + n))
            average = {name: old * average[name] + (1 - old) * weights[name] for name in weights}
            state, metrics = step(state, global_batch(batch, mesh))
            np.testing.assert_allclose(
                [metrics["grad_norm"], metrics["learning_rate"]], [norm, rate], rtol=1e-4
            )
            for expected, found in ((weights, state.params), (average, state.ema)):
                for name, leaf in in_float64(found).items():
                    np.testing.assert_allclose(
                        leaf, expected[name], atol=2e-5, err_msg=f"{name} after step {n}"
                    )
