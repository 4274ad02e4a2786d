"""A motion stage of FD2Talk small enough for tests; random speech and motion are those of KSDiff's
tests.
"""

from ksdiff_jax.models.fd2talk.motion.config import Config, LossConfig, ModelConfig
from ksdiff_jax.speech.config import EncoderConfig

TINY = Config(
    model=ModelConfig(
        width=16,
        layers=1,
        heads=2,
        ffn_ratio=2,
        encoder=EncoderConfig(mel_bands=20, width=16, layers=1),
    ),
    loss=LossConfig(sync=0.0),
)
