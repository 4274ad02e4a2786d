"""A DisentTalk small enough for tests; random speech and motion are those of KSDiff's tests."""

from ksdiff_jax.models.disenttalk.config import Config, LossConfig, ModelConfig, RegionsConfig
from ksdiff_jax.speech.config import EncoderConfig

# Neither in order nor without gaps, so that a region in the wrong place shows.
REGIONS = RegionsConfig(eye=(5, 0, 1), lip=(50, 22, 20, 31))
TINY = Config(
    model=ModelConfig(
        width=16,
        blocks=1,
        heads=2,
        regions=REGIONS,
        encoder=EncoderConfig(mel_bands=20, width=16, layers=1),
    ),
    loss=LossConfig(sync=0.0),
)
