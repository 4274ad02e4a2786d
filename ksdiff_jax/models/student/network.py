"""The parameters of a student and the functions that use them: the encoder (`speech/student.py`),
a dense layer to the width of the teacher, and one to phoneme classes if the loss has them.
"""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from ksdiff_jax.layers.dense import Dense
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.models.student.config import ModelConfig
from ksdiff_jax.models.student.phoneme_classes import CLASSES
from ksdiff_jax.speech.encoder import build_encoder
from ksdiff_jax.typing import Array, Bool, Float


class Answers(NamedTuple):
    """The output of the network for each frame of 20 ms, float32."""

    # the teacher's features, minus the clip's mean and over their pooled deviation
    teacher: Float[Array, "b f d"]
    phonemes: Float[Array, "b f c"] | None  # logits of the classes


class Network(nn.Module):
    """The encoder and its heads."""

    config: ModelConfig
    names_phonemes: bool = False
    execution: Execution = Execution()

    def setup(self) -> None:
        config, dtype = self.config, self.execution.dtype
        self.encoder = build_encoder(config.encoder, self.execution)
        self.head = Dense(config.teacher.width, dtype=dtype)
        if self.names_phonemes:
            self.phonemes = Dense(CLASSES, dtype=dtype)

    def __call__(self, audio: Float[Array, "b s"], mask: Bool[Array, "b f"]) -> Answers:
        features = self.encoder(audio, mask)
        answer = self.head(features).astype(jnp.float32)
        if not self.names_phonemes:
            return Answers(answer, None)
        return Answers(answer, self.phonemes(features).astype(jnp.float32))
