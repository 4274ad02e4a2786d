"""Recomputing layers in the backward pass: the same gradients, the same dropout, less memory.

The stored arrays are counted before compilation: XLA's CPU back end merges the two computations
again.
"""

import dataclasses
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.config import TrainConfig
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.remat import POLICIES
from ksdiff_jax.models.ksdiff.config import GeneratorConfig
from ksdiff_jax.models.ksdiff.motion_generator import MotionGenerator
from ksdiff_jax.tree import named_leaves
from tests.models.ksdiff.conftest import TINY, lively

FRAMES, CLIPS, LAYERS = 64, 2, 2


def loss_and_params(remat):
    """A scalar function of the parameters of a motion generator, with dropout, and parameters for
    it.
    """
    model = dataclasses.replace(
        TINY.model,
        transcript=dataclasses.replace(TINY.model.transcript, enabled=False),
        keyframes=dataclasses.replace(TINY.model.keyframes, enabled=False),
        generator=GeneratorConfig(layers=LAYERS),
    )
    generator = MotionGenerator(model, dims=6, execution=Execution(remat=remat))
    features = jax.random.normal(jax.random.key(0), (CLIPS, FRAMES, model.width))
    noisy = jax.random.normal(jax.random.key(1), (CLIPS, FRAMES, 6))
    text = jnp.zeros((CLIPS, 1, model.width))

    def output(module, noisy):
        memory = module.memory((features,), (), text, drop_speech=jnp.zeros(CLIPS, bool))
        step, mask = jnp.array([10, 500]), jnp.ones((CLIPS, FRAMES), bool)
        return module(noisy, step, memory, mask=mask, text_mask=mask[:, :1], deterministic=False)

    rngs = {"params": jax.random.key(2), "dropout": jax.random.key(3)}
    params = jax.eval_shape(lambda: generator.init(rngs, noisy, method=output)["params"])

    def loss(params):
        clean = generator.apply(
            {"params": params}, noisy, method=output, rngs={"dropout": rngs["dropout"]}
        )
        return jnp.sum(clean**2)

    return loss, lively(jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), params))


def kept_bytes(remat):
    """What lies between the forward and the backward pass, parameters included."""
    loss, params = loss_and_params(remat)
    residuals = jax.eval_shape(lambda params: jax.vjp(loss, params)[1], params)
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(residuals))


def test_a_policy_keeps_neither_scores_nor_more_than_its_name_says():
    none, dots, full = (kept_bytes(remat) for remat in ("none", "dots", "full"))
    scores = 4 * CLIPS * TINY.model.heads * FRAMES * (FRAMES + 2)
    # Of self-attention alone: the layers here read no transcript, and speech is heard from near
    # frames.
    assert none - dots > LAYERS * scores
    assert full < dots < none / 2


@pytest.mark.slow
def test_policies_change_no_name_and_no_gradient():
    gradients = {}
    for remat in ("none", *POLICIES):
        loss, params = loss_and_params(remat)
        gradients[remat] = jax.device_get(named_leaves(jax.jit(jax.grad(loss))(params)))
    expected = gradients.pop("none")
    scale = max(np.abs(leaf).max() for leaf in expected.values())
    for remat, found in gradients.items():
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(
                found[name], value, atol=1e-6 * scale, err_msg=f"{remat} {name}"
            )


def test_every_policy_is_a_choice_of_the_configuration():
    assert set(typing.get_type_hints(TrainConfig)["remat"].__args__) == {"none", *POLICIES}
