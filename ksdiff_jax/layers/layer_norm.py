"""Layer normalisation (Ba et al. 2016): `flax.linen.LayerNorm` with a backward pass of its own.

    n = (x − mean x) / √(var x + ε),   y = s ⊙ n + b             over channels, in float32
    dx = (s ⊙ g − mean(s ⊙ g) − n ⊙ mean(s ⊙ g ⊙ n)) / √(var x + ε),   ds = Σ g ⊙ n,   db = Σ g

On a CPU, means over channels are products with a vector, because XLA sums rows one number at a
time, and g ⊙ n, which three sums want, is written down once. Parameters are those of
`flax.linen.LayerNorm`, names included.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ksdiff_jax.typing import Array, Float


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def layer_norm(
    x: Float[Array, "*n d"],
    scale: Float[Array, "d"],
    bias: Float[Array, "d"],
    epsilon: float = 1e-6,
) -> Float[Array, "*n d"]:
    """`x` with mean 0 and variance 1 over its last axis, scaled and shifted; float32, whatever the
    type of `x`.
    """
    return _forward(x, scale, bias, epsilon)[0]


def _forward(
    x: Array, scale: Array, bias: Array, epsilon: float
) -> tuple[Array, tuple[Array, ...]]:
    wide, even = x.astype(jnp.float32), jnp.ones_like(scale)
    mean = _weighted_mean(wide, even)
    # With a mean near zero beside the spread, as in a residual stream, this is as exact as two
    # passes.
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


class LayerNorm(nn.Module):
    """Layer normalisation over the last axis, with a learned scale and bias."""

    epsilon: float = 1e-6
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
        scale = self.param("scale", nn.initializers.ones, x.shape[-1:])
        bias = self.param("bias", nn.initializers.zeros, x.shape[-1:])
        return layer_norm(
            x, scale.astype(jnp.float32), bias.astype(jnp.float32), self.epsilon
        ).astype(self.dtype)
