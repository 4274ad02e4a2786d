"""FD2Talk's motion stage at the size of a demo: `ksdiff-jax train fd2talk_motion_demo`.

Trains on the built-in corpus, with our log-mel encoder in the place of Wav2Vec 2.0.
"""

from ksdiff_jax.config import DataConfig, TrainConfig
from ksdiff_jax.models.fd2talk.motion.config import (
    Config,
    LossConfig,
    ModelConfig,
    SampleConfig,
)
from ksdiff_jax.models.sync.reference import SyncModelConfig
from ksdiff_jax.speech.config import EncoderConfig


def config() -> Config:
    return Config(
        name="fd2talk_motion_demo",
        model=ModelConfig(
            width=96,
            layers=3,
            heads=4,
            ffn_ratio=2,
            encoder=EncoderConfig(width=128, layers=4),
            sync=SyncModelConfig(path="sync"),
        ),
        loss=LossConfig(sync=0.01),
        # The lips follow the speech and not the noise; the head stays random.
        sample=SampleConfig(steps=20, lip_temperature=0.0),
        data=DataConfig(batch_size=8, clip_frames=96, corpus_clips=1000),
        train=TrainConfig(
            steps=10_000,
            learning_rate=1e-3,
            warmup_steps=100,
            decay="cosine",
            weight_decay=0.0,
            ema_decay=0.995,
            validate_every=2500,
            validate_clips=8,
            checkpoint_every=1000,
        ),
    )
