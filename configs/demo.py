"""The small model that ships in the package: `ksdiff-jax train configs/demo.py`.

Trains on the built-in corpus, on two CPU cores in about an hour.
"""

from ksdiff_jax.config import (
    AugmentConfig,
    Config,
    DataConfig,
    EncoderConfig,
    GeneratorConfig,
    KeyframeConfig,
    ModelConfig,
    TrainConfig,
    TranscriptConfig,
)


def config() -> Config:
    return Config(
        name="demo",
        model=ModelConfig(
            width=128,
            heads=4,
            ffn_ratio=2,
            jaw_path="expression",
            encoder=EncoderConfig(width=128, layers=4),
            transcript=TranscriptConfig(layers=1, max_tokens=128, drop_probability=0.5),
            keyframes=KeyframeConfig(layers=2),
            generator=GeneratorConfig(layers=3),
        ),
        data=DataConfig(batch_size=16, augment=AugmentConfig()),
        train=TrainConfig(
            steps=6000,
            learning_rate=1e-3,
            warmup_steps=300,
            decay="cosine",
            ema_decay=0.998,
            validate_every=1000,
            checkpoint_every=500,
        ),
    )
