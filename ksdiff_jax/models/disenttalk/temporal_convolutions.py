"""Multi-scale temporal convolution (Eq. 5): F_temp = pointwise(Concat{depthwise_i(F)}), dilation
2^i frames, i = 0, 1, 2.

A GELU precedes the pointwise convolution (R).
"""

import flax.linen as nn
from jax.typing import DTypeLike

from ksdiff_jax.layers.convolution import DepthwiseConvolution
from ksdiff_jax.layers.dense import JoinedDense
from ksdiff_jax.models.disenttalk.config import ModelConfig
from ksdiff_jax.typing import Array, Bool, Float


class TemporalConvolutions(nn.Module):
    """F_temp of Eq. 5; frames beyond the clip are treated as zeros."""

    config: ModelConfig
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b t d"], mask: Bool[Array, "b t"]) -> Float[Array, "b t d"]:
        scales = [
            DepthwiseConvolution(
                self.config.temporal_kernel, dilation, dtype=self.dtype, name=f"dilation_{dilation}"
            )(x, mask)
            for dilation in self.config.dilations
        ]
        pointwise = JoinedDense(self.config.width, dtype=self.dtype, name="pointwise")
        return pointwise(*map(nn.gelu, scales))
