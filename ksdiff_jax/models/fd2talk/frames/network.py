"""All parameters of FD2Talk's frames stage in one Linen module: the UNet, and the motion of no
condition. Latents are scaled to a standard deviation of about 1.
"""

import flax.linen as nn
import jax.numpy as jnp

from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.models.fd2talk.frames.config import ModelConfig
from ksdiff_jax.models.fd2talk.frames.transformer import Conditions, Memories
from ksdiff_jax.models.fd2talk.frames.unet import UNet
from ksdiff_jax.typing import Array, Bool, Float, Int


class Network(nn.Module):
    """The parameters and the computations that use them; `channels` is the width of the motion."""

    config: ModelConfig
    channels: int
    execution: Execution = Execution()

    def setup(self) -> None:
        config, execution = self.config, self.execution
        self.unet = UNet(config.unet, config.autoencoder.latent_channels, execution)
        self.null_motion = self.param("null_motion", nn.initializers.zeros, (self.channels,))

    def conditions(
        self,
        motion: Float[Array, "b m"],
        reference: Float[Array, "r h w d"],
        drop: Bool[Array, "b"] | None = None,
    ) -> Conditions:
        """Return the tokens of normalised motion and of scaled reference latents; the motion of
        frames of `drop` is replaced by the null vector.
        """
        if drop is not None:
            motion = jnp.where(drop[:, None], self.null_motion, motion)
        return self.unet.conditions(motion, reference)

    def memories(self, conditions: Conditions) -> list[Memories]:
        """Return keys and values of the conditions, for many diffusion steps."""
        return self.unet.memories(conditions)

    def denoise(
        self,
        noisy: Float[Array, "b h w d"],
        step: Int[Array, "b"],
        conditions: Conditions | list[Memories],
    ) -> Float[Array, "b h w d"]:
        """Return x̂₀ of noisy scaled latents."""
        return self.unet(noisy, step, conditions)

    def __call__(self, latents: Float[Array, "b h w d"], motion: Float[Array, "b m"]) -> None:
        """Use every parameter once; for initialisation only."""
        conditions = self.conditions(motion, latents, jnp.zeros(len(motion), bool))
        self.denoise(latents, jnp.zeros(len(motion), jnp.int32), conditions)
