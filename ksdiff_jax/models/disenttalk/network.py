"""All parameters of DisentTalk in one Linen module: the speech encoder, the latent and the
denoiser.

The features of the encoder have a rate of 50 Hz. The two features of a motion frame are
concatenated, projected and normalised (R), so A of Eq. 6 has one token per motion frame.
"""

import flax.linen as nn
import jax.numpy as jnp

from ksdiff_jax.layers.dense import Dense
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.layer_norm import LayerNorm
from ksdiff_jax.models.disenttalk.config import ModelConfig
from ksdiff_jax.models.disenttalk.denoiser import Denoiser, Memory
from ksdiff_jax.models.disenttalk.latent import Latent, Regions
from ksdiff_jax.speech.encoder import build_encoder, paired_features
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import Array, Bool, Float, Int


class Network(nn.Module):
    """The parameters of DisentTalk and the computations that use them."""

    config: ModelConfig
    regions: Regions
    execution: Execution = Execution()

    def setup(self) -> None:
        config, execution = self.config, self.execution
        self.encoder = build_encoder(config.encoder, execution)
        self.speech = Dense(config.width, dtype=execution.dtype)
        self.norm_speech = LayerNorm(dtype=execution.dtype)
        self.latent = Latent(config, self.regions, execution.dtype)
        self.denoiser = Denoiser(config, self.regions, execution)

    def encode_speech(self, speech: Speech) -> Float[Array, "b t d"]:
        """Return A of Eq. 6."""
        pairs = paired_features(self.encoder, speech).astype(self.execution.dtype)
        return self.norm_speech(self.speech(pairs))

    def encode_motion(self, expression: Float[Array, "b t n"]) -> Float[Array, "b t z"]:
        """Return Z_0 of normalised numbers."""
        return self.latent.encode(expression)

    def decode_motion(self, latent: Float[Array, "b t z"]) -> Float[Array, "b t n"]:
        """Return the normalised numbers of Z_0."""
        return self.latent.decode(latent)

    def memory(self, speech: Float[Array, "b t d"], *, drop: Bool[Array, "b"]) -> Memory:
        """Return the memory that the denoiser attends to."""
        return self.denoiser.memory(speech, drop=drop)

    def denoise(
        self,
        noisy: Float[Array, "b t z"],
        step: Int[Array, "b"],
        memory: Memory,
        *,
        mask: Bool[Array, "b t"],
    ) -> Float[Array, "b t z"]:
        """Return ε_θ of Eq. 8."""
        return self.denoiser(noisy, step, memory, mask=mask)

    def __call__(self, speech: Speech) -> None:
        """Use every parameter once; for initialisation only."""
        batch, frames = speech.mask.shape
        memory = self.memory(self.encode_speech(speech), drop=jnp.zeros(batch, bool))
        numbers = sum(len(some) for some in self.regions.values())
        latent = self.encode_motion(jnp.zeros((batch, frames, numbers)))
        self.denoise(latent, jnp.zeros(batch, jnp.int32), memory, mask=speech.mask)
        self.decode_motion(latent)
