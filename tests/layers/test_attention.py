"""Attention against a float64 loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.layers.attention import Attention, KeysValues, attend, attend_near
from ksdiff_jax.layers.position import alignment_mask


def test_attention_agrees_with_a_float64_loop():
    random = np.random.default_rng(0)
    q, k, v = (
        random.normal(size=(2, 5, 3, 4)),
        random.normal(size=(2, 7, 3, 4)),
        random.normal(size=(2, 7, 3, 4)),
    )
    mask = random.random((2, 1, 5, 7)) > 0.3
    mask[..., 0] = True
    bias = random.normal(size=(3, 5, 7))
    expected = np.zeros((2, 5, 3, 4))
    for b in range(2):
        for h in range(3):
            for i in range(5):
                score = k[b, :, h] @ q[b, i, h] / 2.0 + bias[h, i]
                weight = np.where(mask[b, 0, i], np.exp(score - score.max()), 0.0)
                expected[b, i, h] = (weight / weight.sum()) @ v[b, :, h]
    as_jax = [jnp.asarray(x, jnp.float32) for x in (q, k, v, bias)]
    found = attend(
        as_jax[0], KeysValues(as_jax[1], as_jax[2]), mask=jnp.asarray(mask), bias=as_jax[3]
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("reach", [0, 1, 3, 20])
def test_near_attention_is_full_attention_under_the_alignment_mask(reach):
    q, k, v = jax.random.normal(jax.random.key(0), (3, 2, 12, 3, 4))
    prefix = KeysValues(*jax.random.normal(jax.random.key(1), (2, 2, 2, 3, 4)))
    valid = jnp.arange(12)[None] < jnp.array([12, 9])[:, None]
    aligned = alignment_mask(jnp.arange(12), jnp.arange(12), reach=reach)[None] & valid[:, None]
    mask = jnp.pad(aligned, ((0, 0), (0, 0), (2, 0)), constant_values=True)[:, None]
    expected = attend(q, prefix.joined(KeysValues(k, v)), mask=mask)
    found = attend_near(q, prefix, KeysValues(k, v), reach=reach, mask=valid)
    np.testing.assert_allclose(found, expected, atol=1e-5)

    causal = jnp.array([True, False])
    past = jnp.tril(jnp.ones((12, 12), bool)) | ~causal[:, None, None]
    mask &= jnp.pad(past, ((0, 0), (0, 0), (2, 0)), constant_values=True)[:, None]
    expected = attend(q, prefix.joined(KeysValues(k, v)), mask=mask)
    found = attend_near(q, prefix, KeysValues(k, v), reach=reach, mask=valid, causal=causal)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_query_that_sees_nothing_is_finite_also_backwards():
    layer = Attention(8, 2)
    x = jax.random.normal(jax.random.key(0), (1, 3, 8))

    def output(params):
        module = layer.bind(params)
        return module(x, module.project(x), mask=jnp.zeros((1, 1, 3, 3), bool)).sum()

    params = layer.init(jax.random.key(1), x, method=lambda m, x: m(x, m.project(x)))
    gradient = jax.grad(output)(params)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))
