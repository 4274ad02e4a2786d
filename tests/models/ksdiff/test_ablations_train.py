"""Every ablation of Table 3 is a network of its own and takes a training step: all its parameters
get a gradient, and a step along it helps.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.evaluate.ablations import ABLATIONS, FULL, ablated
from ksdiff_jax.models import build_system
from ksdiff_jax.overrides import override
from ksdiff_jax.tree import named_leaves
from tests.models.ksdiff.conftest import TINY, random_batch, total_loss
from tests.run_once import jit_to_run_once

SMALLEST = override(
    TINY,
    {
        "model.width": "4",
        "model.heads": "1",
        "model.dropout": "0",
        "model.encoder.width": "4",
        "model.encoder.layers": "0",
        "model.speech_paths.groups": "2",
        "model.speech_paths.dilations": "1",
        "model.keyframes.layers": "1",
        "model.transcript.layers": "0",
        "loss.lip_gap": "0",
    },
)


LEFT_OUT = {"w/o keyframe": "predictor", "w/o transcript": "transcript"}


@functools.cache
def full_network() -> dict[str, tuple[int, ...]]:
    system = build_system(ablated(SMALLEST, FULL))
    return shapes_of(jax.eval_shape(system.init, jax.random.key(0)))


def shapes_of(params) -> dict[str, tuple[int, ...]]:
    return {name: leaf.shape for name, leaf in named_leaves(params).items()}


@pytest.mark.parametrize("row", [row for row in ABLATIONS if row != FULL])
def test_an_ablation_is_another_network_and_takes_a_step_that_lowers_its_loss(row):
    system, batch, draw = (
        build_system(ablated(SMALLEST, row)),
        random_batch(9),
        np.random.default_rng(0),
    )

    def loss(params):
        return total_loss(system, params, batch, train=True)

    shapes = jax.eval_shape(system.init, jax.random.key(0))
    assert shapes_of(shapes) != full_network()
    if part := LEFT_OUT.get(row):
        assert any(part in name for name in full_network())
        assert not any(part in name for name in shapes_of(shapes))
    params = jax.tree.map(
        lambda leaf: jnp.asarray(draw.normal(size=leaf.shape) * 0.2, jnp.float32), shapes
    )

    @jit_to_run_once
    def step(params):
        value, gradient = jax.value_and_grad(loss)(params)
        squared = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient))
        return (
            value,
            gradient,
            jax.tree.map(lambda leaf, g: leaf - 0.02 * value * g / squared, params, gradient),
        )

    before, gradient, moved = step(params)
    after, *_ = step(moved)
    # Linearly, the step takes away 2 % of the loss.
    assert 0.97 < float(after / before) < 0.99
    # A softmax does not see what is added to all keys, and no speech need be dropped in one small
    # batch.
    exempt = ("key/bias", "null_speech")
    still = [name for name, leaf in named_leaves(gradient).items() if not np.any(leaf)]
    assert [name for name in still if not name.endswith(exempt)] == []
