"""Positions and biases against loops written from their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.layers.position import alignment_mask, periodic_distance_bias, rotary, sinusoid


@pytest.mark.parametrize(("heads", "period"), [(4, 25), (8, 7)])
def test_the_self_attention_bias_is_the_closed_form_of_diffspeaker(heads, period):
    frames = 60
    found = np.asarray(
        periodic_distance_bias(jnp.arange(frames), jnp.arange(frames), heads=heads, period=period)
    )
    for head in range(heads):
        slope = 2.0 ** (-8.0 * (head + 1) / heads)
        for i in range(frames):
            for j in range(frames):
                steps = (i - j) // period if j <= i else (j - i - 1) // period
                assert float(found[head, i, j]) == pytest.approx(-slope * steps)


def test_the_bias_looks_both_ways_and_is_zero_within_a_period():
    bias = periodic_distance_bias(jnp.arange(50), jnp.arange(50), heads=4, period=25)
    assert float(bias[0, 0, 24]) == 0.0
    assert float(bias[0, 49, 24]) < 0.0
    assert float(bias[0, 0, 26]) < 0.0


def test_alignment_sees_only_frames_within_reach():
    mask = np.asarray(alignment_mask(jnp.arange(10), jnp.arange(10), reach=3))
    assert mask[5].tolist() == [False, False, True, True, True, True, True, True, True, False]


def test_rotary_products_depend_on_time_differences_only():
    q, k = jax.random.normal(jax.random.key(0), (2, 1, 1, 2, 16))
    product = []
    for start in (0.0, 3.7, 60.0):
        a = rotary(q, jnp.array([start]))
        b = rotary(k, jnp.array([start + 0.3]))
        product.append(jnp.sum(a * b))
    np.testing.assert_allclose(product[1:], product[0], rtol=1e-3)
    np.testing.assert_allclose(
        jnp.linalg.norm(rotary(q, jnp.array([9.0]))), jnp.linalg.norm(q), rtol=1e-5
    )


def test_rotation_and_its_gradient_are_those_of_the_definition():
    x, time_s = jax.random.normal(jax.random.key(0), (2, 5, 3, 8)), jnp.linspace(0.0, 2.0, 5)
    speed = 50.0 * (0.1 / 50.0) ** (np.arange(4) / 3)

    def by_definition(x):
        turn = jnp.exp(1j * (time_s[:, None] * speed))[:, None]
        turned = (x[..., :4] + 1j * x[..., 4:]) * turn
        return jnp.concatenate([turned.real, turned.imag], axis=-1)

    np.testing.assert_allclose(rotary(x, time_s), by_definition(x), atol=2e-5)
    found, expected = (
        jax.grad(lambda x, turn=turn: jnp.sum(jnp.sin(turn(x))))(x)
        for turn in (lambda x: rotary(x, time_s), by_definition)
    )
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_sinusoids_tell_a_thousand_steps_apart():
    table = np.asarray(sinusoid(jnp.arange(1000), width=64))
    distance = np.linalg.norm(table[:, None] - table[None], axis=-1) + 10 * np.eye(1000)
    assert distance.min() > 0.3


def test_times_known_at_tracing_make_tables_that_are_constants_of_the_program():
    x, time_s = (
        jax.random.normal(jax.random.key(0), (2, 5, 3, 8)),
        np.linspace(0.0, 2.0, 5, dtype=np.float32),
    )
    position = np.arange(5)
    known = jax.jit(lambda x: (rotary(x, time_s), sinusoid(position, width=8)))
    traced = jax.jit(lambda x, time_s, position: (rotary(x, time_s), sinusoid(position, width=8)))
    for found, expected in zip(known(x), traced(x, time_s, position), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)
    assert "cosine" not in known.lower(x).as_text()
    assert "cosine" in traced.lower(x, time_s, position).as_text()
