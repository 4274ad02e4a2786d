"""Rotation of pairs of channels by angles, as rotary positions require; the backward pass rotates
the gradient back.

    (x₁ cos − x₂ sin, x₂ cos + x₁ sin)   of the halves of d

The halves are swapped by reading an axis of length two in reverse, because XLA would branch at the
boundary of two concatenated pieces.

Measured forward and backward against the plain form in interleaved pairs, two CPU cores, float32,
jaxlib 0.10.2; medians of 21 with the quartiles:
8 x 128 tokens, 8 heads of 32, in isolation: 0.78 times as fast (0.55 to 0.98). It was not measured
separately inside a training step.
"""

import jax
import jax.numpy as jnp

from ksdiff_jax.typing import Array, Float


@jax.custom_vjp
def rotated(
    x: Float[Array, "b n h d"], cos: Float[Array, "*n 1 1 d2"], sin: Float[Array, "*n 1 2 d2"]
) -> Array:
    """Return the rotated halves of d; `sin` includes the signs."""
    halves = x.reshape(*x.shape[:-1], 2, x.shape[-1] // 2)
    return (halves * cos + jnp.flip(halves, axis=-2) * sin).reshape(x.shape)


def _forward(x: Array, cos: Array, sin: Array) -> tuple[Array, tuple[Array, Array]]:
    return rotated(x, cos, sin), (cos, sin)


def _backward(kept: tuple[Array, Array], gradient: Array) -> tuple[Array, Array, Array]:
    """Rotate the gradient back. Time is treated as a constant."""
    cos, sin = kept
    return rotated(gradient, cos, -sin), jnp.zeros_like(cos), jnp.zeros_like(sin)


rotated.defvjp(_forward, _backward)
