"""The lip-sync model that ships in the package: `ksdiff-jax train sync_demo`.

It reads speech with the encoder of the shipped KSDiff, held as it is, and trains on the built-in
corpus.
"""

from ksdiff_jax.config import DataConfig, TrainConfig
from ksdiff_jax.models.sync.config import Config, ModelConfig
from ksdiff_jax.speech.config import EncoderConfig


def config() -> Config:
    return Config(
        name="sync_demo",
        model=ModelConfig(
            width=96,
            embedding=64,
            encoder=EncoderConfig(width=128, layers=4),
            # The numbers of the mouth that move in the corpus: expression directions of the
            # built-in head, and the opening of the jaw.
            mouth=(20, 22, 23, 27, 28, 29, 30, 32, 34, 36, 38, 39, 40, *range(42, 49), 53),
        ),
        data=DataConfig(batch_size=16, clip_frames=150, corpus_clips=1000),
        train=TrainConfig(
            steps=1000,
            learning_rate=1e-3,
            warmup_steps=100,
            decay="cosine",
            ema_decay=0.99,
            validate_every=500,
            validate_clips=32,
            checkpoint_every=250,
            init_from="demo",
            init_patterns=("encoder/*",),
            freeze_patterns=("encoder/*",),
        ),
    )
