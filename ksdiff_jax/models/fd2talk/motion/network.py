"""All parameters of FD2Talk's motion stage in one Linen module: the speech encoder and the
transformers.

The features of the encoder have a rate of 50 Hz. The two features of a motion frame are
concatenated, projected and normalised (R), so A has one token per motion frame. Both transformers
read the same A.
"""

from collections.abc import Mapping
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from ksdiff_jax.layers.dense import Dense
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.layer_norm import LayerNorm
from ksdiff_jax.models.fd2talk.motion.config import ModelConfig
from ksdiff_jax.models.fd2talk.motion.parts import Parts
from ksdiff_jax.models.fd2talk.motion.transformer import MotionTransformer
from ksdiff_jax.motion.space import MotionSpace
from ksdiff_jax.speech.encoder import build_encoder, paired_features
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import Array, Bool, Float, Int


class Network(nn.Module):
    """The parameters and the computations that use them.

    `channels` is the number of coefficients of every transformer by name: `expression` and `pose`,
    or `motion` for both in one.
    """

    config: ModelConfig
    channels: Mapping[str, int]
    execution: Execution = Execution()

    def setup(self) -> None:
        config, execution = self.config, self.execution
        self.encoder = build_encoder(config.encoder, execution)
        self.speech = Dense(config.width, dtype=execution.dtype)
        self.norm_speech = LayerNorm(dtype=execution.dtype)
        self.null_speech = self.param("null_speech", nn.initializers.normal(0.02), (config.width,))
        self.transformers = {
            name: MotionTransformer(config, count, execution)
            for name, count in self.channels.items()
        }

    def encode_speech(self, speech: Speech) -> Float[Array, "b t d"]:
        """Return A, one token per motion frame."""
        pairs = paired_features(self.encoder, speech).astype(self.execution.dtype)
        return self.norm_speech(self.speech(pairs))

    def dropped(
        self, encoded: Float[Array, "b t d"], drop: Bool[Array, "b"]
    ) -> Float[Array, "b t d"]:
        """Return A with the null vector in its place for the clips of `drop`."""
        return jnp.where(drop[:, None, None], self.null_speech.astype(encoded.dtype), encoded)

    def denoise(
        self,
        name: str,
        noisy: Float[Array, "b t c"],
        step: Int[Array, "b"],
        encoded: Float[Array, "b t d"],
        *,
        mask: Bool[Array, "b t"],
    ) -> Float[Array, "b t c"]:
        """Return x̂₀ of the transformer `name` (Eq. 8 and 9)."""
        return self.transformers[name](noisy, step, encoded, mask=mask)

    def __call__(self, speech: Speech) -> None:
        """Use every parameter once; for initialisation only."""
        batch = len(speech.mask)
        encoded = self.dropped(self.encode_speech(speech), jnp.zeros(batch, bool))
        for name, count in self.channels.items():
            noisy = jnp.zeros((*speech.mask.shape, count))
            self.denoise(name, noisy, jnp.zeros(batch, jnp.int32), encoded, mask=speech.mask)


class Generators(NamedTuple):
    """A network, and what its transformers generate in a motion space."""

    network: Network
    space: MotionSpace
    parts: Parts
