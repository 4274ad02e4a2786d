"""The convolution that tells frames their positions: grouped, 128 frames wide, as wide to both sides as it can be.

    y_t = activation( b + Σ_k W_k x_{t + k - K // 2} ),   k = 0 ... K - 1

W is (K, d / groups, d); the weight norm of the checkpoints is folded into it by `convert`. On CPUs a grouped
convolution this wide is slow as such: here a group's frames are one matrix product over runs of taps.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from ksdiff_jax.config import PretrainedEncoderConfig
from ksdiff_jax.speech.front_end import ACTIVATIONS
from ksdiff_jax.typing import Array, Float

TAPS_PER_PRODUCT = 16


class PositionalConvolution(nn.Module):
    """What is added to the projected features; parameters `kernel`, `bias` and, if batch-normed, `scale`, `shift`."""

    config: PretrainedEncoderConfig
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        config = self.config
        batch, frames, width = x.shape
        taps, groups = config.position_kernel, config.position_groups
        per_group = width // groups
        shape = (taps, per_group, width)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (width,)).astype(self.dtype)
        if config.position_batch_norm:
            scale = self.param("scale", nn.initializers.ones, (width,))
            shift = self.param("shift", nn.initializers.zeros, (width,))
            x = (x * scale + shift).astype(self.dtype)
        # (k, c, g o) -> (g, k, c, o): one matrix per group
        kernel = jnp.moveaxis(kernel.reshape(taps, per_group, groups, per_group), 2, 0)
        grouped = jnp.moveaxis(x.reshape(batch, frames, groups, per_group), 2, 1)
        grouped = jnp.pad(grouped, ((0, 0), (0, 0), (taps // 2, taps), (0, 0)))
        out = 0.0
        for first in range(0, taps, TAPS_PER_PRODUCT):
            run = range(first, min(first + TAPS_PER_PRODUCT, taps))
            windows = jnp.concatenate([grouped[:, :, k : k + frames] for k in run], axis=-1)  # b g n (k c)
            matrices = kernel[:, run.start : run.stop].reshape(groups, -1, per_group)
            out = out + jnp.einsum("bgni,gio->bgno", windows, matrices)
        out = jnp.moveaxis(out, 1, 2).reshape(batch, frames, width) + bias
        return ACTIVATIONS[config.conv_activation](out)
