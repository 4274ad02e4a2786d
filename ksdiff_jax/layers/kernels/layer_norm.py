"""Layer normalisation (Ba et al. 2016) with a custom backward pass.

    n = (x − mean x) / √(var x + ε),   y = s ⊙ n + b             over channels, in float32
    dx = (s ⊙ g − mean(s ⊙ g) − n ⊙ mean(s ⊙ g ⊙ n)) / √(var x + ε),   ds = Σ g ⊙ n,   db = Σ g

On a CPU, means over channels are products with a vector, because XLA sums rows one number at a
time. The array g ⊙ n, which three sums use, is stored once.

Measured forward and backward against the plain form in interleaved pairs, two CPU cores, float32,
jaxlib 0.10.2; medians of 21 with the quartiles: 8 x 128 x 256: 1.04 times as fast (0.97 to 1.27).
"""

import functools

import jax
import jax.numpy as jnp

from ksdiff_jax.typing import Array, Float


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def layer_norm(
    x: Float[Array, "*n d"],
    scale: Float[Array, "d"],
    bias: Float[Array, "d"],
    epsilon: float = 1e-6,
) -> Float[Array, "*n d"]:
    """Return `x` with mean 0 and variance 1 over its last axis, scaled and shifted; float32 for any
    dtype of `x`.
    """
    return _forward(x, scale, bias, epsilon)[0]


def _forward(
    x: Array, scale: Array, bias: Array, epsilon: float
) -> tuple[Array, tuple[Array, ...]]:
    wide, even = x.astype(jnp.float32), jnp.ones_like(scale)
    mean = _weighted_mean(wide, even)
    # If the mean is small compared with the spread, as in a residual stream, this is as exact as
    # two passes.
    variance = jnp.maximum(_weighted_mean(wide * wide, even) - mean * mean, 0)
    inverse = jax.lax.rsqrt(variance + epsilon)
    return (wide - mean) * (inverse * scale) + bias, (x, scale, mean, inverse)


def _backward(
    epsilon: float, kept: tuple[Array, ...], gradient: Array
) -> tuple[Array, Array, Array]:
    x, scale, mean, inverse = kept
    normal = (x.astype(jnp.float32) - mean) * inverse
    along = gradient * normal
    if _rows_are_slow():
        along = jax.lax.optimization_barrier(along)
    common = _weighted_mean(gradient, scale) + normal * _weighted_mean(along, scale)
    to_x = inverse * (gradient * scale - common)
    rows = tuple(range(x.ndim - 1))
    return to_x.astype(x.dtype), along.sum(axis=rows), gradient.sum(axis=rows)


layer_norm.defvjp(_forward, _backward)


def _weighted_mean(x: Float[Array, "*n d"], weights: Float[Array, "d"]) -> Float[Array, "*n 1"]:
    channels = x.shape[-1]
    if not _rows_are_slow():
        return jnp.mean(x * weights, axis=-1, keepdims=True)
    return x @ (weights / channels)[:, None]


def _rows_are_slow() -> bool:
    return jax.default_backend() == "cpu"
