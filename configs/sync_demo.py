"""The form of the lip-sync model that ships in the package: `ksdiff-jax train sync_demo`.

It reads speech with the encoder of the shipped `whisper_demo`, held as it is, and is linear. What
ships was not trained by gradient but fitted in closed form to the built-in corpus and to real
people (`asset_builders/sync_expert.py`).
"""

from ksdiff_jax.config import DataConfig, TrainConfig
from ksdiff_jax.models.sync.config import Config, ModelConfig
from ksdiff_jax.speech.config import EncoderConfig, WhisperEncoderConfig


def config() -> Config:
    return Config(
        name="sync_demo",
        model=ModelConfig(
            form="linear",
            encoder=EncoderConfig(
                kind="pretrained", path="whisper_demo", architecture=WhisperEncoderConfig()
            ),
            # The numbers of the mouth that move in the corpus: expression directions of the
            # built-in head, and the opening of the jaw.
            mouth=(20, 22, 23, 27, 28, 29, 30, 32, 34, 36, 38, 39, 40, *range(42, 49), 53),
        ),
        data=DataConfig(batch_size=16, clip_frames=75, corpus_clips=300),
        train=TrainConfig(
            steps=200,
            learning_rate=1e-3,
            warmup_steps=20,
            decay="cosine",
            weight_decay=1.0,
            ema_decay=0.98,
            validate_every=100,
            validate_clips=32,
            checkpoint_every=100,
        ),
    )
