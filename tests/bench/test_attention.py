"""The timed attentions compute attention, and as often as they state."""

import jax
import numpy as np
import pytest

from ksdiff_jax.bench.attention import (
    CONDITIONS,
    Shape,
    arguments,
    backward,
    flops,
    forward,
    once,
    reference,
)

SHAPE = Shape("test", clips=2, queries=6, keys=6 + CONDITIONS, heads=2, head_width=8, period=3)


def by_hand(queries, keys, values, bias):
    """softmax(q k / √d + bias) v, one clip and head at a time, in float64."""
    answer = np.zeros_like(queries)
    for clip, head in np.ndindex(queries.shape[0], queries.shape[2]):
        scores = (
            queries[clip, :, head] @ keys[clip, :, head].T / np.sqrt(queries.shape[-1]) + bias[head]
        )
        weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        answer[clip, :, head] = weights @ values[clip, :, head]
    return answer


def of_float64(given):
    return jax.tree.map(lambda x: np.asarray(x, np.float64), given)


def distance_bias(shape):
    """Zero for the two conditions; falls by 2^(-8 (h + 1) / H) per period of distance in frames."""
    bias = np.zeros((shape.heads, shape.queries, shape.keys))
    for head, i, j in np.ndindex(shape.heads, shape.queries, shape.queries):
        periods = (i - j) // shape.period if j <= i else (j - i - 1) // shape.period
        bias[head, i, j + CONDITIONS] = -(2.0 ** (-8 * (head + 1) / shape.heads)) * periods
    return bias


def test_the_reference_is_attention_with_the_generators_bias():
    given = arguments(SHAPE)
    exact = of_float64(given)
    answer, _ = reference(given)
    expected = by_hand(exact.queries, exact.keys, exact.values, distance_bias(SHAPE))
    np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_each_answer_becomes_the_next_query():
    given = arguments(SHAPE)
    exact = of_float64(given)
    queries = exact.queries
    for _ in range(3):
        queries = by_hand(queries, exact.keys, exact.values, distance_bias(SHAPE))
    np.testing.assert_allclose(
        np.asarray(forward(given, form="xla", calls=3), np.float64), queries, atol=0.02
    )


def test_each_backward_call_moves_along_the_gradient_of_the_call_before():
    given = jax.tree.map(lambda x: x.astype(np.float32), arguments(SHAPE))
    three = (given.queries, given.keys, given.values)
    for _ in range(2):
        _, gradients = once(
            given._replace(**dict(zip(("queries", "keys", "values"), three, strict=True))),
            form="xla",
        )
        three = [x + 1e-3 * gradient for x, gradient in zip(three, gradients, strict=True)]
    for found, expected, start in zip(
        backward(given, form="xla", calls=2), three, given[:3], strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        assert np.abs(np.asarray(found) - start).max() > 1e-5


@pytest.mark.parametrize(("kind", "products"), [("forward", 2), ("forward and backward", 6)])
def test_flops_are_those_of_the_products(kind, products):
    assert flops(SHAPE, kind) == products * 2 * (2 * 2 * 6 * 8 * 8)
