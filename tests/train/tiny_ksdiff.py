"""KSDiff small enough to train for some steps in a test."""

import dataclasses
from pathlib import Path

from ksdiff_jax.config import AugmentConfig, DataConfig, TrainConfig
from ksdiff_jax.models.ksdiff.config import (
    Config,
    GeneratorConfig,
    KeyframeConfig,
    LossConfig,
    ModelConfig,
    SpeechPathsConfig,
    TranscriptConfig,
)
from ksdiff_jax.speech.config import EncoderConfig


def tiny_config(data: str | Path, **train) -> Config:
    """Every part of the model, at its smallest."""
    model = ModelConfig(
        width=16,
        heads=2,
        ffn_ratio=2,
        encoder=EncoderConfig(width=16, layers=1, mel_bands=24),
        transcript=TranscriptConfig(layers=1, max_tokens=16),
        speech_paths=SpeechPathsConfig(dilations=(1,), groups=4),
        keyframes=KeyframeConfig(layers=1, window_frames=16),
        generator=GeneratorConfig(layers=1),
    )
    settings = {
        "steps": 20,
        "learning_rate": 3e-3,
        "warmup_steps": 5,
        "log_every": 5,
        "validate_every": 20,
        "checkpoint_every": 10,
        "validate_clips": 2,
    }
    return Config(
        name="tiny",
        model=model,
        loss=LossConfig(spectral_windows=(8,)),
        data=DataConfig(path=str(data), clip_frames=32, batch_size=2, augment=AugmentConfig()),
        train=TrainConfig(**{**settings, **train}),
    )


def without_randomness(config: Config) -> Config:
    """The same model without dropout, augmentation or anything hidden: for overfitting one
    batch.
    """
    model = dataclasses.replace(
        config.model,
        dropout=0.0,
        transcript=dataclasses.replace(config.model.transcript, drop_probability=0.0),
        keyframes=dataclasses.replace(
            config.model.keyframes, jitter_probability=0.0, drop_probability=0.0
        ),
        diffusion=dataclasses.replace(config.model.diffusion, condition_drop_probability=0.0),
    )
    return dataclasses.replace(
        config, model=model, data=dataclasses.replace(config.data, augment=None)
    )
