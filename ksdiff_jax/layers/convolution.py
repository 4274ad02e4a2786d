"""Convolutions and normalisation over time that do not see padding.

Every function takes the validity mask (b, f) and treats invalid frames as if the clip ended there,
so that a padded clip gives, on its valid frames, what the clip alone gives.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from ksdiff_jax.typing import AnyArray, Array, Bool, Float


def zero_invalid(x: Float[Array, "b f d"], mask: Bool[Array, "b f"]) -> Float[Array, "b f d"]:
    """`x` with zeros where invalid: the zero padding that a convolution would see at the end of the
    clip.
    """
    return jnp.where(mask[..., None], x, 0)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def depthwise(
    x: Float[Array, "b f d"], kernel: Float[Array, "k n"], dilation: int
) -> Float[Array, "b f n"]:
    """n / d filters of k frames per channel, zeros beyond both ends; all channels' first filters,
    then their second.

    A few shifted multiply-adds, forwards and backwards: XLA fuses them, and on a CPU they beat its
    grouped convolution by far, as they beat the pads and sums that the derivative of a shift would
    be.
    """
    channels, (taps, filters) = x.shape[-1], kernel.shape
    windows = _windows(x, taps, dilation, before=dilation * (taps - 1) // 2)
    multiples = [slice(first, first + channels) for first in range(0, filters, channels)]
    return jnp.concatenate(
        [
            sum(window * kernel[tap, some] for tap, window in enumerate(windows))
            for some in multiples
        ],
        axis=-1,
    )


def _depthwise_forward(x: Array, kernel: Array, dilation: int) -> tuple[Array, tuple[Array, Array]]:
    return depthwise(x, kernel, dilation), (x, kernel)


def _depthwise_backward(
    dilation: int, kept: tuple[Array, Array], gradient: Array
) -> tuple[Array, Array]:
    x, kernel = kept
    taps, reach = len(kernel), dilation * (len(kernel) - 1)
    parts = jnp.split(gradient, kernel.shape[1] // x.shape[-1], axis=-1)
    filters = jnp.split(kernel, len(parts), axis=-1)
    to_x = sum(
        window * kernel[taps - 1 - tap]
        for part, kernel in zip(parts, filters, strict=True)
        for tap, window in enumerate(_windows(part, taps, dilation, before=reach - reach // 2))
    )
    windows = _windows(x, taps, dilation, before=reach // 2)
    to_kernel = [
        jnp.stack([jnp.sum(window * part, axis=(0, 1)) for window in windows]) for part in parts
    ]
    return to_x, jnp.concatenate(to_kernel, axis=-1)


depthwise.defvjp(_depthwise_forward, _depthwise_backward)


def _windows(
    x: Float[Array, "b f d"], taps: int, dilation: int, *, before: int
) -> list[Float[Array, "b f d"]]:
    """x shifted so that entry `tap` holds frame t - before + tap · dilation at t, zeros beyond both
    ends.
    """
    padding = ((0, 0), (before, dilation * (taps - 1) - before), (0, 0))
    # or every read of every window asks where the edge is
    padded = jax.lax.optimization_barrier(jnp.pad(x, padding))
    return [padded[:, tap * dilation : tap * dilation + x.shape[1]] for tap in range(taps)]


class DepthwiseConvolution(nn.Module):
    """One filter (or `multiplier` filters) per channel over time, same length, zeros beyond both
    ends.
    """

    kernel_size: int
    dilation: int = 1
    multiplier: int = 1
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b f d"], mask: Bool[Array, "b f"]) -> Float[Array, "b f n"]:
        channels = x.shape[-1]
        shape = (self.kernel_size, channels * self.multiplier)
        kernel = self.param(
            "kernel", nn.initializers.lecun_normal(in_axis=0, out_axis=1), shape
        ).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, shape[1:]).astype(self.dtype)
        return depthwise(zero_invalid(x, mask).astype(self.dtype), kernel, self.dilation) + bias


class MaskedGroupNorm(nn.Module):
    """Group normalisation (Wu and He 2018) with statistics over the valid frames and the channels
    of a group.
    """

    groups: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b f d"], mask: Bool[Array, "b f"]) -> Float[Array, "b f d"]:
        batch, _, channels = x.shape
        each = channels // self.groups
        x, valid = x.astype(jnp.float32), mask[..., None]
        count = jnp.maximum(mask.sum(axis=1), 1)[:, None] * each

        def over_group(values: Float[Array, "b f d"]) -> Float[Array, "b 1 d"]:
            """The mean of a group at each of its channels: over frames first, whose rows are
            contiguous.
            """
            sums = (
                jnp.sum(jnp.where(valid, values, 0), axis=1)
                .reshape(batch, self.groups, each)
                .sum(axis=2)
            )
            return jnp.repeat(sums / count, each, axis=1)[:, None]

        centred = x - over_group(x)
        scale = self.param("scale", nn.initializers.ones, (channels,))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        factor = jax.lax.rsqrt(over_group(centred**2) + 1e-5) * scale
        return (centred * factor + bias).astype(self.dtype)


def window_pool(
    x: Float[Array, "b f d"], mask: Bool[Array, "b f"], *, window: int, stride: int
) -> tuple[Float[Array, "b n d"], Bool[Array, "b n"]]:
    """Average pooling over `window` valid frames centred on every cell of `stride` frames: n = ⌈f /
    stride⌉ tokens.

    Returns the tokens and their validity (a cell is valid if any of its frames is).
    """
    frames = x.shape[1]
    tokens = -(-frames // stride)
    left = (window - stride) // 2
    weight = mask[..., None].astype(jnp.float32)
    sums = functools.partial(_windowed_sum, stride=stride, tokens=tokens)
    total = sums(zero_invalid(x, mask).astype(jnp.float32), window=window, before=left)
    count = sums(weight, window=window, before=left)
    cell = sums(weight, window=stride, before=0)
    return (total / jnp.maximum(count, 1)).astype(x.dtype), cell[..., 0] > 0


def _windowed_sum(
    x: Float[Array, "b f d"], *, window: int, stride: int, tokens: int, before: int
) -> Array:
    """Sums over frames n · stride - before + [0, window) of token n, zeros beyond both ends.

    Windows overlap by most of their length, so whole cells of `stride` frames are summed once.
    """
    whole, rest = divmod(window, stride)
    cells = tokens + whole - (rest == 0)
    # the end is padded, or cut
    x = jax.lax.pad(
        x, 0.0, ((0, 0, 0), (before, cells * stride - before - x.shape[1], 0), (0, 0, 0))
    )
    x = x.reshape(x.shape[0], cells, stride, x.shape[2])
    started = x[:, whole:, :rest].sum(axis=2) if rest else jnp.zeros(())
    if not whole:
        return started
    return (
        jax.lax.reduce_window(x.sum(axis=2), 0.0, jax.lax.add, (1, whole, 1), (1, 1, 1), "valid")[
            :, :tokens
        ]
        + started
    )


def token_times(tokens: int, *, stride: int, rate_hz: int) -> Float[np.ndarray, "n"]:
    """Time in seconds of the middle of every cell of `stride` frames at `rate_hz`."""
    return ((np.arange(tokens) * stride + (stride - 1) / 2) / rate_hz).astype(np.float32)


def upsample_linear(
    x: Float[Array, "b n d"],
    mask: Bool[Array, "b n"],
    times_s: Float[AnyArray, "n"],
    at_s: Float[AnyArray, "t"],
) -> Float[Array, "b t d"]:
    """Linear interpolation of evenly spaced tokens at the times `at_s`, clamped to the first and
    last valid token.
    """
    step = times_s[1] - times_s[0] if x.shape[1] > 1 else 1.0
    last = jnp.maximum(mask.sum(axis=1, keepdims=True) - 1, 0).astype(jnp.float32)
    position = jnp.clip((at_s[None] - times_s[0]) / step, 0.0, last)  # b t
    below = jnp.floor(position).astype(jnp.int32)
    above = jnp.minimum(below + 1, last.astype(jnp.int32))
    share = (position - below)[..., None].astype(x.dtype)
    take = jax.vmap(lambda row, index: row[index])
    return take(x, below) * (1 - share) + take(x, above) * share
