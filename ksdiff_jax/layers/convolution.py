"""Convolutions and normalisation over time that ignore padding.

Every function takes the validity mask (b, f) and treats invalid frames as if the clip ended before
them. On its valid frames a padded clip therefore gives the same result as the clip alone.

Convolution and normalisation also have a causal form with the same parameters, for the clips that
`causal` (b,) marks: taps that read later frames count as zero, and the statistics of a frame are
those of the frames up to it.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from ksdiff_jax.layers.kernels.depthwise import depthwise
from ksdiff_jax.typing import AnyArray, Array, Bool, Float


def zero_invalid(x: Float[Array, "b f d"], mask: Bool[Array, "b f"]) -> Float[Array, "b f d"]:
    """Return `x` with zeros where invalid, as a convolution would pad the end of the clip."""
    return jnp.where(mask[..., None], x, 0)


class DepthwiseConvolution(nn.Module):
    """Applies one filter (or `multiplier` filters) per channel over time, same length, zeros beyond
    both ends.
    """

    kernel_size: int
    dilation: int = 1
    multiplier: int = 1
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b f d"],
        mask: Bool[Array, "b f"],
        *,
        causal: Bool[Array, "b"] | None = None,
        ahead: int = 0,
    ) -> Float[Array, "b f n"]:
        """Return the filtered frames; those of a causal clip depend on `ahead` later frames at
        most.
        """
        channels = x.shape[-1]
        shape = (self.kernel_size, channels * self.multiplier)
        kernel = self.param(
            "kernel", nn.initializers.lecun_normal(in_axis=0, out_axis=1), shape
        ).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, shape[1:]).astype(self.dtype)
        x = zero_invalid(x, mask).astype(self.dtype)
        filtered = depthwise(x, kernel, self.dilation)
        if causal is not None:
            taps = np.arange(self.kernel_size)
            later = taps * self.dilation - self.dilation * (self.kernel_size - 1) // 2
            known = jnp.asarray(later <= ahead, self.dtype)[:, None]
            limited = depthwise(x, kernel * known, self.dilation)
            filtered = jnp.where(causal[:, None, None], limited, filtered)
        return filtered + bias


class MaskedGroupNorm(nn.Module):
    """Group normalisation (Wu and He 2018) with statistics over the valid frames and the channels
    of a group.
    """

    groups: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b f d"],
        mask: Bool[Array, "b f"],
        *,
        causal: Bool[Array, "b"] | None = None,
    ) -> Float[Array, "b f d"]:
        """Return the normalised frames, those of a causal clip by the frames up to each."""
        batch, _, channels = x.shape
        each = channels // self.groups
        x, valid = x.astype(jnp.float32), mask[..., None]
        count = jnp.maximum(mask.sum(axis=1), 1)[:, None] * each

        def over_group(values: Float[Array, "b f d"]) -> Float[Array, "b 1 d"]:
            """Return the mean of a group at each of its channels: first over frames, whose rows are
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
        normed = centred * (jax.lax.rsqrt(over_group(centred**2) + 1e-5) * scale) + bias
        if causal is not None:
            so_far = self._by_the_past(x, mask) * scale + bias
            normed = jnp.where(causal[:, None, None], so_far, normed)
        return normed.astype(self.dtype)

    def _by_the_past(
        self, x: Float[Array, "b f d"], mask: Bool[Array, "b f"]
    ) -> Float[Array, "b f d"]:
        """Return each frame normalised by mean and variance of its group up to and with it."""
        batch, frames, channels = x.shape
        each = channels // self.groups
        count = jnp.maximum(jnp.cumsum(mask, axis=1), 1)[..., None] * each

        def over_past(values: Float[Array, "b f d"]) -> Float[Array, "b f d"]:
            sums = zero_invalid(values, mask).reshape(batch, frames, self.groups, each).sum(axis=3)
            return jnp.repeat(jnp.cumsum(sums, axis=1) / count, each, axis=2)

        mean = over_past(x)
        variance = jnp.maximum(over_past(x**2) - mean**2, 0.0)
        return (x - mean) * jax.lax.rsqrt(variance + 1e-5)


def window_pool(
    x: Float[Array, "b f d"],
    mask: Bool[Array, "b f"],
    *,
    window: int,
    stride: int,
    last: int | None = None,
) -> tuple[Float[Array, "b n d"], Bool[Array, "b n"]]:
    """Average over `window` valid frames centred on every cell of `stride` frames: n = ⌈f / stride⌉
    tokens.

    With `last` no frame later than `last` after the first of the cell counts. Returns the tokens
    and their validity (a cell is valid if any of its frames is).
    """
    frames = x.shape[1]
    tokens = -(-frames // stride)
    left = (window - stride) // 2
    if last is not None:
        left = max(left, -last)
        window = min(window, left + last + 1)
    weight = mask[..., None].astype(jnp.float32)
    sums = functools.partial(_windowed_sum, stride=stride, tokens=tokens)
    total = sums(zero_invalid(x, mask).astype(jnp.float32), window=window, before=left)
    count = sums(weight, window=window, before=left)
    cell = sums(weight, window=stride, before=0)
    return (total / jnp.maximum(count, 1)).astype(x.dtype), cell[..., 0] > 0


def _windowed_sum(
    x: Float[Array, "b f d"], *, window: int, stride: int, tokens: int, before: int
) -> Array:
    """Return sums over frames n · stride - before + [0, window) of token n, with zeros beyond both
    ends.

    Windows overlap by most of their length, so whole cells of `stride` frames are summed once.
    """
    whole, rest = divmod(window, stride)
    cells = tokens + whole - (rest == 0)
    # the end is padded or cut
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
    """Return the time in seconds of the middle of every cell of `stride` frames at `rate_hz`."""
    return ((np.arange(tokens) * stride + (stride - 1) / 2) / rate_hz).astype(np.float32)


def upsample_linear(
    x: Float[Array, "b n d"],
    mask: Bool[Array, "b n"],
    times_s: Float[AnyArray, "n"],
    at_s: Float[AnyArray, "t"],
) -> Float[Array, "b t d"]:
    """Interpolate evenly spaced tokens linearly at the times `at_s`, clamped to the first and last
    valid token.
    """
    step = times_s[1] - times_s[0] if x.shape[1] > 1 else 1.0
    last = jnp.maximum(mask.sum(axis=1, keepdims=True) - 1, 0).astype(jnp.float32)
    position = jnp.clip((at_s[None] - times_s[0]) / step, 0.0, last)  # b t
    below = jnp.floor(position).astype(jnp.int32)
    above = jnp.minimum(below + 1, last.astype(jnp.int32))
    share = (position - below)[..., None].astype(x.dtype)
    take = jax.vmap(lambda row, index: row[index])
    return take(x, below) * (1 - share) + take(x, above) * share
