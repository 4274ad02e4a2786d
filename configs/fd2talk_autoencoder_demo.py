"""FD2Talk's autoencoder at the size of a demo: `ksdiff-jax train fd2talk_autoencoder_demo`.

Trains on rendered heads of 64² pixels, from random weights and without a perceptual loss. Lips are
a few pixels there, so a latent has 8 channels, not the 3 or 4 of the published layouts.
"""

from ksdiff_jax.config import DataConfig, TrainConfig
from ksdiff_jax.models.fd2talk.autoencoder.config import Config, LossConfig, ModelConfig
from ksdiff_jax.pictures.autoencoder import AutoencoderConfig


def config() -> Config:
    layout = AutoencoderConfig(
        kind="kl", channels=16, multipliers=(1, 2, 2), resnets=1, latent_channels=8, groups=8
    )
    return Config(
        name="fd2talk_autoencoder_demo",
        model=ModelConfig(picture_side=64, autoencoder=layout),
        loss=LossConfig(perceptual=0.0, scale=1e-3),
        data=DataConfig(batch_size=8, corpus_clips=400),
        train=TrainConfig(
            steps=5000,
            learning_rate=2e-3,
            warmup_steps=100,
            decay="cosine",
            weight_decay=0.0,
            ema_decay=0.995,
            validate_every=1000,
            checkpoint_every=1000,
        ),
    )
