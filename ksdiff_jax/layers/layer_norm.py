"""Layer normalisation: `flax.linen.LayerNorm` computed by `kernels.layer_norm`, with the same
parameters and names.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from ksdiff_jax.layers.kernels.layer_norm import layer_norm
from ksdiff_jax.typing import Array, Float


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
