"""The backward pass of attention against JAX's derivative of the definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.layers.kernels.softmax_attention import softmax_attention
from tests.run_once import jit_to_run_once


def by_definition(q, k, v, mask, bias):
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) * q.shape[-1] ** -0.5
    scores = scores if bias is None else scores + bias
    scores = scores if mask is None else jnp.where(mask, scores, -1e9)
    return jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores, axis=-1), v)


def drawn(kind):
    random = np.random.default_rng(0)
    q, k, v = (jnp.asarray(random.normal(size=(2, n, 3, 4)), jnp.float32) for n in (5, 7, 7))
    # one query that sees nothing
    mask = random.random((2, 1, 5, 7)) > 0.4
    mask[0, 0, 2] = False
    bias = jnp.asarray(random.normal(size=(3, 5, 7)), jnp.float32)
    return q, k, v, jnp.asarray(mask) if "mask" in kind else None, bias if "bias" in kind else None


@pytest.mark.parametrize("kind", ["", "mask", "bias", "mask and bias"])
def test_values_and_gradients_are_those_of_the_definition(kind):
    q, k, v, mask, bias = drawn(kind)
    (value, found), (expected_value, expected) = (
        jit_to_run_once(
            jax.value_and_grad(
                lambda q, k, v: jnp.sum(jnp.sin(attend(q, k, v, mask, bias))),  # noqa: B023
                (0, 1, 2),
            )
        )(q, k, v)
        for attend in (softmax_attention, by_definition)
    )
    np.testing.assert_allclose(value, expected_value, rtol=1e-6, atol=2e-6)
    for one, other in zip(found, expected, strict=True):
        assert np.abs(other).max() > 0.1
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_half_precision_stays_near_and_keeps_its_type():
    q, k, v, mask, bias = drawn("mask and bias")
    half = [x.astype(jnp.bfloat16) for x in (q, k, v)]
    answer, backward = jax.vjp(lambda q, k, v: softmax_attention(q, k, v, mask, bias), *half)
    gradients = backward(jnp.ones_like(answer))
    assert {x.dtype for x in (answer, *gradients)} == {jnp.dtype(jnp.bfloat16)}
    np.testing.assert_allclose(
        answer.astype(jnp.float32), by_definition(q, k, v, mask, bias), atol=0.05
    )


def test_large_scores_do_not_overflow():
    q, k, v, mask, _ = drawn("mask")
    found = softmax_attention(1e4 * q, k, v, mask, None)
    np.testing.assert_allclose(found, by_definition(1e4 * q, k, v, mask, None), atol=1e-4)
