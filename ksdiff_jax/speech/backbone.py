"""The module of a pretrained encoder's layout, and its compiled function."""

import flax.linen as nn
import jax.numpy as jnp

from ksdiff_jax.audio.timebase import SAMPLES_PER_SPEECH_FRAME
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.parallel.programs import kept_program
from ksdiff_jax.speech import front_end
from ksdiff_jax.speech.config import EncoderLayout, PretrainedEncoderConfig, StudentEncoderConfig
from ksdiff_jax.speech.pretrained import PretrainedEncoder
from ksdiff_jax.speech.student import StudentEncoder
from ksdiff_jax.speech.whisper import WhisperEncoder
from ksdiff_jax.speech.whisper_mel import WINDOW_SAMPLES
from ksdiff_jax.typing import Array, Bool, Float, PyTree


def encoder_module(
    config: EncoderLayout, execution: Execution, *, name: str | None = None
) -> nn.Module:
    """Return the module: (audio (b, s), mask (b, f)) -> features (b, f, d), with `hidden_states`
    beside it.
    """
    if isinstance(config, PretrainedEncoderConfig):
        return PretrainedEncoder(config, execution, name=name)
    if isinstance(config, StudentEncoderConfig):
        return StudentEncoder(config, execution, name=name)
    return WhisperEncoder(config, execution, name=name)


def hop_samples(config: EncoderLayout) -> int:
    """Return the number of samples from one frame to the next."""
    if isinstance(config, PretrainedEncoderConfig):
        return front_end.hop_samples(config)
    return SAMPLES_PER_SPEECH_FRAME


def receptive_field(config: EncoderLayout) -> int:
    """Return the least number of samples of a recording."""
    if isinstance(config, PretrainedEncoderConfig):
        return front_end.receptive_field(config)
    return WINDOW_SAMPLES


@kept_program("config", "dtype")
def encode(
    params: PyTree,
    audio: Float[Array, "b s"],
    mask: Bool[Array, "b f"],
    *,
    config: EncoderLayout,
    dtype: str,
) -> Float[Array, "b f d"]:
    """Return features of recordings, of which `mask` marks the frames with sound."""
    module = encoder_module(config, Execution(dtype=jnp.dtype(dtype)))
    return module.apply({"params": params}, audio, mask)
