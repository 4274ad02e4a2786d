"""The denoising network ε_θ(Z_t, t, A) of Eq. 4-7.

    x = Σ_r lift_r,   lift_r = U_r Z_t[r]
    per block, pre-norm and residual (R):
        x = x + F_spatial(norm(x), lift)             region_attention.py, Eq. 4
        x = x + F_temp(norm(x))                      temporal_convolutions.py, Eq. 5
        x = x + F_out(norm(x), t, A)                 local_block.py, Eq. 6-7
    o = linear(norm(x)), zero at the start of training

| model.output | o is | ε_θ |
|---|---|---|
| noise | the noise, as in the paper | o |
| velocity | v of Salimans and Ho (2022) | √(1 − ᾱ_t) Z_t + √ᾱ_t o |
| motion | Z_0 | (Z_t − √ᾱ_t o) / √(1 − ᾱ_t) |

A small network learns Z_0 fastest (R), because it does not have to pass the noise of 53 numbers
through its width.

`memory` returns everything that does not depend on the diffusion step; a sampler computes it once.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.diffusion.process import implied_noise
from ksdiff_jax.diffusion.schedule import alpha_bars
from ksdiff_jax.layers.attention import FeedForward, KeysValues
from ksdiff_jax.layers.dense import Dense
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.layer_norm import LayerNorm
from ksdiff_jax.layers.position import sinusoid
from ksdiff_jax.layers.stack import apply_layers
from ksdiff_jax.models.disenttalk.config import ModelConfig
from ksdiff_jax.models.disenttalk.latent import Regions, channels_of, latent_widths
from ksdiff_jax.models.disenttalk.local_block import LocalBlock
from ksdiff_jax.models.disenttalk.region_attention import RegionAttention
from ksdiff_jax.models.disenttalk.temporal_convolutions import TemporalConvolutions
from ksdiff_jax.typing import Array, Bool, Float, Int

Memory = tuple[KeysValues, ...]  # the projected speech of every block


class Block(nn.Module):
    """One block of Eq. 4-7."""

    config: ModelConfig
    regions: tuple[str, ...]
    execution: Execution = Execution()

    def setup(self) -> None:
        config, dtype = self.config, self.execution.dtype
        self.norm_spatial = LayerNorm(dtype=dtype)
        self.spatial = RegionAttention(config, self.regions, self.execution)
        if config.temporal_convolutions:
            self.norm_temporal = LayerNorm(dtype=dtype)
            self.temporal = TemporalConvolutions(config, dtype)
        self.norm_local = LayerNorm(dtype=dtype)
        self.local = LocalBlock(config, self.execution)

    def __call__(
        self,
        x: Float[Array, "b t d"],
        lifted: tuple[Float[Array, "b t d"], ...],
        stepped: Float[Array, "b d"],
        speech: KeysValues,
        *,
        mask: Bool[Array, "b t"],
    ) -> Float[Array, "b t d"]:
        time_s = frame_times(x.shape[1])
        x = x + self.spatial(self.norm_spatial(x), lifted, mask=mask, time_s=time_s)
        if self.config.temporal_convolutions:
            x = x + self.temporal(self.norm_temporal(x), mask)
        return x + self.local(self.norm_local(x), stepped, speech, mask=mask, time_s=time_s)


class Denoiser(nn.Module):
    """ε_θ, and the memory of speech that it attends to."""

    config: ModelConfig
    regions: Regions
    execution: Execution = Execution()

    def setup(self) -> None:
        config, dtype = self.config, self.execution.dtype
        self.lift = {region: Dense(config.width, dtype=dtype) for region in self.regions}
        self.step_embedding = FeedForward(config.width, ratio=1, dtype=dtype)
        self.null_speech = self.param("null_speech", nn.initializers.normal(0.02), (config.width,))
        self.blocks = [
            Block(config, tuple(self.regions), self.execution) for _ in range(config.blocks)
        ]
        self.norm_out = LayerNorm(dtype=dtype)
        channels = sum(latent_widths(config, self.regions).values())
        self.output = Dense(channels, kernel_init=nn.initializers.zeros, dtype=jnp.float32)

    def memory(self, speech: Float[Array, "b t d"], *, drop: Bool[Array, "b"]) -> Memory:
        """Return keys and values of the speech for every block; those of ∅ (Eq. 9) for the clips of
        `drop`.
        """
        nothing = self.null_speech.astype(speech.dtype)
        speech = jnp.where(drop[:, None, None], nothing, speech)
        time_s = frame_times(speech.shape[1])
        return tuple(block.local.project(speech, time_s) for block in self.blocks)

    def __call__(
        self,
        noisy: Float[Array, "b t z"],
        step: Int[Array, "b"],
        memory: Memory,
        *,
        mask: Bool[Array, "b t"],
    ) -> Float[Array, "b t z"]:
        """Return the noise in Z_t at diffusion step `step`."""
        dtype, widths = self.execution.dtype, latent_widths(self.config, self.regions)
        stepped = self.step_embedding(sinusoid(step, width=self.config.width).astype(dtype))
        lifted = tuple(
            self.lift[region](noisy[..., channels_of(widths, region)].astype(dtype))
            for region in self.regions
        )
        x = nn.with_logical_constraint(sum(lifted), ("batch", "time", "width"))

        def apply(block: Block, x: Array, speech: KeysValues) -> Array:
            x = block(x, lifted, stepped, speech, mask=mask)
            return nn.with_logical_constraint(x, ("batch", "time", "width"))

        x = apply_layers(self.blocks, apply, x, list(memory), execution=self.execution)[-1]
        level = jnp.asarray(alpha_bars(self.config.diffusion))[step][:, None, None]
        return implied_by(noisy, self.output(self.norm_out(x)), level, output=self.config.output)


def implied_by(
    noisy: Float[Array, "b t z"],
    value: Float[Array, "b t z"],
    level: Float[Array, "b 1 1"],
    *,
    output: str,
) -> Float[Array, "b t z"]:
    """Return the noise in Z_t that the value of the last layer implies at ᾱ = `level`."""
    if output == "velocity":
        return jnp.sqrt(1 - level) * noisy + jnp.sqrt(level) * value
    return implied_noise(noisy, value, level) if output == "motion" else value


def frame_times(frames: int) -> Float[np.ndarray, "t"]:
    """Return the times of motion frames in seconds from the first; only their differences have an
    effect.
    """
    return (np.arange(frames) / MOTION_RATE_HZ).astype(np.float32)
