"""Our own small speech encoder, trained to give the features of Whisper's: `ksdiff-jax train
student --data.path SHARDS`.

The teacher is downloaded on first use; without a network, `--model.teacher.path` names the folder
of a copy. Its features are computed once. The run is a speech encoder afterwards: `--model.encoder.
kind pretrained --model.encoder.path runs/student`.
"""

from ksdiff_jax.config import AugmentConfig, DataConfig, TrainConfig
from ksdiff_jax.models.student.config import Config


def config() -> Config:
    return Config(
        name="student",
        data=DataConfig(
            batch_size=16,
            clip_frames=150,
            augment=AugmentConfig(noise=0.5, reverberation=0.4, equaliser=0.7, band_limit=0.3),
        ),
        train=TrainConfig(
            steps=3000,
            learning_rate=1.5e-3,
            warmup_steps=100,
            decay="cosine",
            ema_decay=0.99,
            validate_every=500,
            validate_clips=16,
            checkpoint_every=250,
        ),
    )
