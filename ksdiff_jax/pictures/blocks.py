"""Convolutional blocks of picture networks, with the layout and the names of diffusers' blocks.

    Resnet(x, e) = shortcut(x) + conv₂(silu(norm₂(conv₁(silu(norm₁(x))) + linear(silu(e)))))

Pictures are (b, h, w, c). The layout is that of latent diffusion (Rombach et al. 2022) and of VQGAN
(Esser et al. 2021): 3 × 3 convolutions, group normalisation, halving by a strided convolution,
doubling by repeated pixels and a convolution. Statistics of the normalisation are float32.
"""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jax.typing import DTypeLike

from ksdiff_jax.layers.attention import Attention
from ksdiff_jax.layers.dense import PRODUCT_NAME, Dense
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.typing import Array, Float

Pair = tuple[int, int]


class Convolution(nn.Module):
    """A convolution; `padding` is the number of zero rows before and after the picture, the same
    for columns.
    """

    features: int
    side: int = 3
    stride: int = 1
    padding: Pair = (1, 1)
    kernel_init: nn.initializers.Initializer = nn.linear.default_kernel_init
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c2"]:
        shape = (self.side, self.side, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.features,)).astype(self.dtype)
        convolved = jax.lax.conv_general_dilated(
            x.astype(self.dtype),
            kernel,
            (self.stride, self.stride),
            (self.padding, self.padding),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return checkpoint_name(convolved, PRODUCT_NAME) + bias


class GroupNorm(nn.Module):
    """Group normalisation (Wu and He 2018) with a learned scale and bias per channel."""

    groups: int
    epsilon: float
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        scale = self.param("scale", nn.initializers.ones, x.shape[-1:])
        bias = self.param("bias", nn.initializers.zeros, x.shape[-1:])
        grouped = x.astype(jnp.float32).reshape(*x.shape[:-1], self.groups, -1)
        grouped = jax.nn.standardize(grouped, axis=(1, 2, 4), epsilon=self.epsilon)
        return (grouped.reshape(x.shape) * scale + bias).astype(self.dtype)


class ResnetBlock(nn.Module):
    """The equation of this module; without `embedded` its last term is absent."""

    features: int
    groups: int
    epsilon: float
    embedded: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], embedding: Float[Array, "b e"] | None = None
    ) -> Float[Array, "b h w c2"]:
        def norm(name: str) -> GroupNorm:
            return GroupNorm(self.groups, self.epsilon, self.dtype, name=name)

        y = nn.silu(norm("norm1")(x))
        y = Convolution(self.features, dtype=self.dtype, name="conv1")(y)
        if self.embedded:
            project = Dense(self.features, dtype=self.dtype, name="time_emb_proj")
            y = y + project(nn.silu(embedding))[:, None, None]
        y = nn.silu(norm("norm2")(y))
        y = Convolution(self.features, dtype=self.dtype, name="conv2")(y)
        if x.shape[-1] != self.features:
            pointwise = (self.features, 1, 1, (0, 0))
            x = Convolution(*pointwise, dtype=self.dtype, name="conv_shortcut")(x)
        return x + y


class Downsample(nn.Module):
    """Halves height and width. `padding` is (1, 1) in the UNet and (0, 1) in the autoencoders."""

    padding: Pair = (1, 1)
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
        convolution = Convolution(x.shape[-1], 3, 2, self.padding, dtype=self.dtype, name="conv")
        return convolution(x)


class Upsample(nn.Module):
    """Doubles height and width."""

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
        doubled = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
        return Convolution(x.shape[-1], dtype=self.dtype, name="conv")(doubled)


class PixelAttention(nn.Module):
    """Self-attention of one head over all pixels, added to its input."""

    groups: int
    epsilon: float
    execution: Execution = Execution()

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        norm = GroupNorm(self.groups, self.epsilon, self.execution.dtype, name="group_norm")
        tokens = norm(x).reshape(len(x), -1, x.shape[-1])
        attention = Attention(x.shape[-1], 1, self.execution, name="attention")
        return x + attention(tokens, attention.project(tokens)).reshape(x.shape)


class MiddleBlock(nn.Module):
    """Resnet block, attention over pixels, resnet block: the middle of an autoencoder's halves."""

    groups: int
    epsilon: float
    execution: Execution = Execution()

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        options = (x.shape[-1], self.groups, self.epsilon, False, self.execution.dtype)
        x = ResnetBlock(*options, name="resnets_0")(x)
        x = PixelAttention(self.groups, self.epsilon, self.execution, name="attentions_0")(x)
        return ResnetBlock(*options, name="resnets_1")(x)


class LevelBlock(nn.Module):
    """The resnet blocks of one resolution of an autoencoder, then a change of the resolution."""

    features: int
    resnets: int
    groups: int
    epsilon: float
    change: Literal["none", "halve", "double"]
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c2"]:
        for index in range(self.resnets):
            options = (self.features, self.groups, self.epsilon, False, self.dtype)
            x = ResnetBlock(*options, name=f"resnets_{index}")(x)
        if self.change == "halve":
            return Downsample((0, 1), dtype=self.dtype, name="downsamplers_0")(x)
        if self.change == "double":
            return Upsample(dtype=self.dtype, name="upsamplers_0")(x)
        return x
