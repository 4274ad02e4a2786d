"""The positional convolution: grouped, 128 frames wide.

    y_t = activation( b + Σ_k W_k x_{t + k - K // 2} ),   k = 0 ... K - 1

W is (K, d / groups, d). The weight norm of the checkpoints is folded into it when they are read.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ksdiff_jax.speech.config import PretrainedEncoderConfig
from ksdiff_jax.speech.front_end import ACTIVATIONS
from ksdiff_jax.typing import Array, Float


class PositionalConvolution(nn.Module):
    """Returns the term that is added to the projected features; parameters `kernel`, `bias` and, if
    batch-normed, `scale`, `shift`.
    """

    config: PretrainedEncoderConfig
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        config, width = self.config, x.shape[-1]
        taps, groups = config.position_kernel, config.position_groups
        kernel = self.param(
            "kernel", nn.initializers.lecun_normal(), (taps, width // groups, width)
        )
        bias = self.param("bias", nn.initializers.zeros, (width,)).astype(self.dtype)
        if config.position_batch_norm:
            scale = self.param("scale", nn.initializers.ones, (width,))
            shift = self.param("shift", nn.initializers.zeros, (width,))
            x = (x * scale + shift).astype(self.dtype)
        out = jax.lax.conv_general_dilated(
            x,
            kernel.astype(self.dtype),
            (1,),
            [(taps // 2, taps - 1 - taps // 2)],
            dimension_numbers=("NWC", "WIO", "NWC"),
            feature_group_count=groups,
        )
        return ACTIVATIONS[config.conv_activation](out + bias)
