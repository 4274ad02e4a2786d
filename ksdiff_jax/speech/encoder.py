"""The speech encoder that a configuration names."""

import flax.linen as nn
from jax.typing import DTypeLike

from ksdiff_jax.config import EncoderConfig
from ksdiff_jax.speech.mel_encoder import MelEncoder


def build_encoder(config: EncoderConfig, *, dtype: DTypeLike) -> nn.Module:
    """A module `(audio (b, s), mask (b, f)) -> features (b, f, d)`."""
    return {"mel": MelEncoder}[config.kind](config, dtype=dtype)
