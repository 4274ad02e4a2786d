"""The speech encoder selected by a configuration: one of our own, or a pretrained one inside the
network.

A pretrained encoder returns its last hidden state, or, with `layer="weighted"`, the mean of all
hidden states with learned weights, as in SUPERB (Yang et al. 2021, §2.2):

    features = Σ_l softmax(w)_l h_l,   l = 0 (the input of the first layer) to num_layers,
                                       w = 0 at the start

The weights w belong to the system and are trained even if the encoder is frozen. A frozen encoder
computes in bfloat16 on accelerators, where it is several times as fast, and in float32 on CPUs,
where bfloat16 is not faster.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ksdiff_jax.audio.timebase import SPEECH_FRAMES_PER_MOTION_FRAME
from ksdiff_jax.errors import InputError
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.speech.backbone import encoder_module
from ksdiff_jax.speech.config import EncoderConfig
from ksdiff_jax.speech.mel_encoder import MelEncoder
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import Array, Bool, Float


def build_encoder(config: EncoderConfig, execution: Execution) -> nn.Module:
    """Return a module `(audio (b, s), mask (b, f)) -> features (b, f, d)`."""
    if config.kind == "mel":
        return MelEncoder(config, dtype=execution.dtype)
    if config.architecture is None:
        raise InputError(
            "model.encoder.architecture is not known; models.speech_encoder.with_encoder finds it "
            "out"
        )
    if config.kind == "pretrained" and not config.finetune:
        execution = dataclasses.replace(execution, dtype=frozen_dtype())
    return PretrainedFeatures(config, execution)


def paired_features(encoder: nn.Module, speech: Speech) -> Float[Array, "b t e"]:
    """Return the two features of every motion frame side by side: the kept ones of the batch in
    float32, or what the encoder computes from its sound.
    """
    frame_mask = jnp.repeat(speech.mask, SPEECH_FRAMES_PER_MOTION_FRAME, axis=1)
    features = (
        encoder(speech.audio, frame_mask)
        if speech.features is None
        else speech.features.astype(jnp.float32)
    )
    return features.reshape(*speech.mask.shape, -1)


def frozen_dtype() -> DTypeLike:
    """Return the dtype in which a frozen encoder computes on this machine."""
    return jnp.dtype("float32" if jax.default_backend() == "cpu" else "bfloat16")


class PretrainedFeatures(nn.Module):
    """A pretrained encoder, or a new student, as a part of the network; its parameters are all
    under "backbone".
    """

    config: EncoderConfig
    execution: Execution = Execution()

    @nn.compact
    def __call__(
        self, audio: Float[Array, "b s"], mask: Bool[Array, "b f"]
    ) -> Float[Array, "b f d"]:
        backbone = encoder_module(self.config.architecture, self.execution, name="backbone")
        if self.config.layer == "last":
            return backbone(audio, mask)
        states = backbone.hidden_states(audio, mask)
        weights = self.param("layer_weights", nn.initializers.zeros, (len(states),))
        shares = jax.nn.softmax(weights.astype(jnp.float32)).astype(self.execution.dtype)
        return sum(share * state for share, state in zip(shares, states, strict=True))
