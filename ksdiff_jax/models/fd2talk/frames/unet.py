"""The diffusion UNet θ_unet: the clean latent of a frame from a noisy one, the diffusion step, the
motion of the frame and the latent of the reference (§3.3, Eq. 6-7).

    c₁ = linear({β, p}),   c₂ = linear(x as a sequence) + position
    down:  per level `blocks` × [resnet, transformer(c₁, c₂)], halving
    up:    per level `blocks` + 1 of them, each on its input and the result of the block down at the
           same place, doubling

The layout is latent diffusion's; its prediction is x₀ (§3.1.2). Levels differ in width, so there is
no stack of equal layers to scan: `train.scan_layers` does not change this network.
"""

import flax.linen as nn
import jax.numpy as jnp

from ksdiff_jax.layers.dense import Dense
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.position import sinusoid
from ksdiff_jax.layers.remat import rematerialise
from ksdiff_jax.models.fd2talk.frames.layout import UNetConfig
from ksdiff_jax.models.fd2talk.frames.transformer import (
    Conditions,
    Memories,
    SpatialTransformer,
    positions,
)
from ksdiff_jax.pictures.blocks import (
    Convolution,
    Downsample,
    GroupNorm,
    ResnetBlock,
    Upsample,
)
from ksdiff_jax.typing import Array, Float, Int

_EPSILON = 1e-5


class StepEmbedding(nn.Module):
    """Sinusoids of the diffusion step, and two dense layers."""

    channels: int
    dtype: object = jnp.float32

    @nn.compact
    def __call__(self, step: Int[Array, "b"]) -> Float[Array, "b e"]:
        x = sinusoid(step, width=self.channels).astype(self.dtype)
        x = nn.silu(Dense(4 * self.channels, dtype=self.dtype, name="linear_1")(x))
        return Dense(4 * self.channels, dtype=self.dtype, name="linear_2")(x)


class UNetBlock(nn.Module):
    """A resnet block and a transformer."""

    config: UNetConfig
    width: int
    self_attends: bool
    execution: Execution = Execution()

    def setup(self) -> None:
        config, execution = self.config, self.execution
        options = (self.width, config.groups, _EPSILON, True, execution.dtype)
        self.resnet = ResnetBlock(*options)
        self.transformer = SpatialTransformer(config, self.width, self.self_attends, execution)

    def memories(self, conditions: Conditions) -> Memories:
        """Return keys and values of this block, see `SpatialTransformer.memories`."""
        return self.transformer.memories(conditions)

    def __call__(
        self,
        x: Float[Array, "b h w c"],
        embedding: Float[Array, "b e"],
        conditions: Conditions | Memories,
    ) -> Float[Array, "b h w c2"]:
        x = self.resnet(x, embedding)
        if isinstance(conditions, Conditions):
            conditions = self.memories(conditions)
        return self.transformer(x, conditions)


class UNet(nn.Module):
    """θ_unet. `conditions` comes first; `memories` is optional and saves work where many diffusion
    steps have the same conditions.
    """

    config: UNetConfig
    latent_channels: int
    execution: Execution = Execution()

    def setup(self) -> None:
        config, dtype = self.config, self.execution.dtype
        self.motion = Dense(config.motion_tokens * config.context_width, dtype=dtype)
        self.reference = Dense(config.context_width, dtype=dtype)
        self.step_embedding = StepEmbedding(config.channels, dtype)
        self.conv_in = Convolution(config.channels, dtype=dtype)
        levels = range(len(config.multipliers))
        self.down = [self._blocks(level, config.blocks) for level in levels]
        self.middle_in = self._block(levels[-1])
        self.middle_out = ResnetBlock(config.widths[-1], config.groups, _EPSILON, True, dtype)
        self.up = [self._blocks(level, config.blocks + 1) for level in levels]
        self.halve = [Downsample(dtype=dtype) for _ in levels[1:]]
        self.double = [Upsample(dtype=dtype) for _ in levels[1:]]
        self.norm_out = GroupNorm(config.groups, _EPSILON, dtype)
        zeros = nn.initializers.zeros
        self.conv_out = Convolution(self.latent_channels, kernel_init=zeros, dtype=jnp.float32)

    def _blocks(self, level: int, count: int) -> list[UNetBlock]:
        return [self._block(level) for _ in range(count)]

    def _block(self, level: int) -> UNetBlock:
        attends = level in self.config.self_attention_levels
        return UNetBlock(self.config, self.config.widths[level], attends, self.execution)

    def conditions(
        self, motion: Float[Array, "b m"], reference: Float[Array, "r h w d"]
    ) -> Conditions:
        """Return the tokens c₁ and c₂ of normalised motion and of the reference's latent."""
        width, dtype = self.config.context_width, self.execution.dtype
        tokens = self.motion(motion.astype(dtype)).reshape(len(motion), -1, width)
        sequence = reference.reshape(len(reference), -1, reference.shape[-1]).astype(dtype)
        place = positions(*reference.shape[1:3], width=width).astype(dtype)
        return Conditions(tokens, self.reference(sequence) + place)

    def memories(self, conditions: Conditions) -> list[Memories]:
        """Return the keys and values of every block in the order of `__call__`."""
        return [block.memories(conditions) for block in self._in_order()]

    def _in_order(self) -> list[UNetBlock]:
        down = [block for level in self.down for block in level]
        up = [block for level in reversed(self.up) for block in level]
        return [*down, self.middle_in, *up]

    def __call__(
        self,
        noisy: Float[Array, "b h w d"],
        step: Int[Array, "b"],
        conditions: Conditions | list[Memories],
    ) -> Float[Array, "b h w d"]:
        """Return x̂₀. `conditions` are those of `self.conditions`, or their `self.memories`."""
        shared = isinstance(conditions, Conditions)
        count = len(self._in_order())
        each = iter([conditions] * count if shared else conditions)
        embedding = self.step_embedding(step)

        def apply(block: UNetBlock, x: Array) -> Array:
            remat = self.execution.remat
            x = rematerialise(remat, UNetBlock.__call__, block, x, embedding, next(each))
            return nn.with_logical_constraint(x, ("batch", None, None, None))

        x = self.conv_in(noisy)
        skips = [x]
        for level, blocks in enumerate(self.down):
            for block in blocks:
                x = apply(block, x)
                skips.append(x)
            if level < len(self.halve):
                x = self.halve[level](x)
                skips.append(x)
        x = self.middle_out(apply(self.middle_in, x), embedding)
        for level in reversed(range(len(self.up))):
            for block in self.up[level]:
                x = apply(block, jnp.concatenate([x, skips.pop()], axis=-1))
            if level > 0:
                x = self.double[level - 1](x)
        return self.conv_out(nn.silu(self.norm_out(x)).astype(jnp.float32))

    def initialise(
        self, motion: Float[Array, "b m"], latents: Float[Array, "b h w d"]
    ) -> Float[Array, "b h w d"]:
        """Use every parameter once; for initialisation only."""
        conditions = self.conditions(motion, latents)
        return self(latents, jnp.zeros(len(latents), jnp.int32), conditions)
