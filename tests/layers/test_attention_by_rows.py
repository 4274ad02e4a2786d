"""Attention in groups of queries: the same values and gradients, chosen by the number of scores."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.layers.attention import KeysValues, attend
from ksdiff_jax.layers.kernels.attention_by_rows import attention_by_rows
from ksdiff_jax.layers.kernels.softmax_attention import softmax_attention
from tests.run_once import jit_to_run_once

QUERIES, KEYS, HEADS = 5, 7, 3


def given(kind):
    draw = np.random.default_rng(1)
    mask = draw.random((2, 1, 1 if kind == "mask of keys" else QUERIES, KEYS)) > 0.4
    if kind == "mask and bias":
        mask[0, 0, 3] = False  # a query that sees nothing
    bias = jnp.asarray(draw.normal(size=(HEADS, QUERIES, KEYS)), jnp.float32)
    return jnp.asarray(mask) if kind else None, bias if kind == "mask and bias" else None


# two groups of three, of which the last is filled; five of one
@pytest.mark.parametrize(("kind", "rows"), [("", 3), ("mask of keys", 1), ("mask and bias", 3)])
def test_values_and_gradients_are_those_of_attention_as_a_whole(kind, rows):
    draw = np.random.default_rng(0)
    q, k, v = (
        jnp.asarray(draw.normal(size=(2, n, HEADS, 4)), jnp.float32) for n in (QUERIES, KEYS, KEYS)
    )
    mask, bias = given(kind)

    def answer_and_gradients(function, *arrays, **options):
        answer, backward = jax.vjp(
            lambda q, k, v: function(q, k, v, mask, bias, **options), *arrays
        )
        return answer, *backward(jnp.cos(answer))

    @jit_to_run_once
    def both(*arrays):
        by_rows = answer_and_gradients(attention_by_rows, *arrays, rows=rows)
        return by_rows, answer_and_gradients(softmax_attention, *arrays)

    for found, expected in zip(*both(q, k, v), strict=True):
        assert np.abs(expected).max() > 0.1
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=2e-6)


def program(implementation, batch, queries, heads, keys):
    """The text of an attention of these sizes, traced and not computed."""

    def shape(count):
        return jax.ShapeDtypeStruct((batch, count, heads, 32), jnp.float32)

    def attention(q, k, v):
        return attend(q, KeysValues(k, v), implementation=implementation)

    return str(jax.make_jaxpr(attention)(shape(queries), shape(keys), shape(keys)))


def test_auto_takes_groups_where_scores_are_large_only():
    motion, feature_map = (32, 128, 8, 256), (1, 4096, 7, 4096)
    assert program("auto", *motion) == program("xla", *motion)
    whole, grouped = program("xla", *feature_map), program("auto", *feature_map)
    assert "f32[1,7,4096,4096]" in whole and "scan" not in whole
    assert "scan" in grouped and "f32[1,7,256,4096]" in grouped
    assert "4096,4096]" not in grouped
