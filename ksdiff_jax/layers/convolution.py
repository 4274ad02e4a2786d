"""Convolutions and normalisation over time that do not see padding.

Every function takes the validity mask (b, f) and treats invalid frames as if the clip ended there, so that a padded
clip gives, on its valid frames, what the clip alone gives.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ksdiff_jax.typing import Array, Bool, Float


def zero_invalid(x: Float[Array, "b f d"], mask: Bool[Array, "b f"]) -> Float[Array, "b f d"]:
    """`x` with zeros where invalid: the zero padding that a convolution would see at the end of the clip."""
    return jnp.where(mask[..., None], x, 0)


class DepthwiseConvolution(nn.Module):
    """One filter (or `multiplier` filters) per channel over time, same length, zeros beyond both ends."""

    kernel_size: int
    dilation: int = 1
    multiplier: int = 1
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b f d"], mask: Bool[Array, "b f"]) -> Float[Array, "b f n"]:
        channels = x.shape[-1]
        shape = (self.kernel_size, channels * self.multiplier)
        kernel = self.param("kernel", nn.initializers.lecun_normal(in_axis=0, out_axis=1), shape).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, shape[1:]).astype(self.dtype)
        x = zero_invalid(x, mask).astype(self.dtype)
        reach = self.dilation * (self.kernel_size - 1)
        x = jnp.pad(x, ((0, 0), (reach // 2, reach - reach // 2), (0, 0)))
        frames = x.shape[1] - reach
        # A few shifted multiply-adds: XLA fuses them, and on CPU they beat its grouped convolution by far.
        total = bias
        for tap in range(self.kernel_size):
            window = jax.lax.dynamic_slice_in_dim(x, tap * self.dilation, frames, axis=1)
            total = total + jnp.tile(window, (1, 1, self.multiplier)) * kernel[tap]
        return total


class MaskedGroupNorm(nn.Module):
    """Group normalisation (Wu and He 2018) with statistics over the valid frames and the channels of a group."""

    groups: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b f d"], mask: Bool[Array, "b f"]) -> Float[Array, "b f d"]:
        batch, frames, channels = x.shape
        grouped = x.astype(jnp.float32).reshape(batch, frames, self.groups, channels // self.groups)
        valid = mask[:, :, None, None]
        count = jnp.maximum(mask.sum(axis=1), 1)[:, None, None, None] * (channels // self.groups)
        mean = jnp.sum(jnp.where(valid, grouped, 0), axis=(1, 3), keepdims=True) / count
        variance = jnp.sum(jnp.where(valid, (grouped - mean) ** 2, 0), axis=(1, 3), keepdims=True) / count
        normal = ((grouped - mean) * jax.lax.rsqrt(variance + 1e-5)).reshape(x.shape)
        scale = self.param("scale", nn.initializers.ones, (channels,))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        return (normal * scale + bias).astype(self.dtype)


def window_pool(
    x: Float[Array, "b f d"], mask: Bool[Array, "b f"], *, window: int, stride: int
) -> tuple[Float[Array, "b n d"], Bool[Array, "b n"]]:
    """Average pooling over `window` valid frames centred on every cell of `stride` frames: n = ⌈f / stride⌉ tokens.

    Returns the tokens and their validity (a cell is valid if any of its frames is).
    """
    frames = x.shape[1]
    tokens = -(-frames // stride)
    left = (window - stride) // 2
    right = (tokens - 1) * stride + window - left - frames

    def windowed_sum(values: Array, size: int, before: int, after: int) -> Array:
        padding = ((0, 0), (before, after), (0, 0))
        return jax.lax.reduce_window(values, 0.0, jax.lax.add, (1, size, 1), (1, stride, 1), padding)

    weight = mask[..., None].astype(jnp.float32)
    total = windowed_sum(zero_invalid(x, mask).astype(jnp.float32), window, left, right)
    count = windowed_sum(weight, window, left, right)
    cell = windowed_sum(weight, stride, 0, tokens * stride - frames)
    return (total / jnp.maximum(count, 1)).astype(x.dtype), cell[..., 0] > 0


def token_times(tokens: int, *, stride: int, rate_hz: int) -> Float[Array, "n"]:
    """Time in seconds of the middle of every cell of `stride` frames at `rate_hz`."""
    return (jnp.arange(tokens) * stride + (stride - 1) / 2) / rate_hz


def upsample_linear(
    x: Float[Array, "b n d"], mask: Bool[Array, "b n"], times_s: Float[Array, "n"], at_s: Float[Array, "t"]
) -> Float[Array, "b t d"]:
    """Linear interpolation of evenly spaced tokens at the times `at_s`, clamped to the first and last valid token."""
    step = times_s[1] - times_s[0] if x.shape[1] > 1 else 1.0
    last = jnp.maximum(mask.sum(axis=1, keepdims=True) - 1, 0).astype(jnp.float32)
    position = jnp.clip((at_s[None] - times_s[0]) / step, 0.0, last)  # b t
    below = jnp.floor(position).astype(jnp.int32)
    above = jnp.minimum(below + 1, last.astype(jnp.int32))
    share = (position - below)[..., None].astype(x.dtype)
    take = jax.vmap(lambda row, index: row[index])
    return take(x, below) * (1 - share) + take(x, above) * share
