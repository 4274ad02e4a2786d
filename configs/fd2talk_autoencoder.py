"""FD2Talk's autoencoder as published (§3.4.2, §4.1): `ksdiff-jax train fd2talk_autoencoder`.

Latent diffusion's VQ autoencoder (f = 4, d = 3) of 256² pictures, fine-tuned with a decoder that
takes the reference's latent too. Needs shards of `ksdiff-jax prepare --pictures 256`, the weights
of LPIPS (`ksdiff-jax convert lpips`) in `--model.perceptual_path`, and published weights to start
from (`ksdiff-jax convert autoencoder`) in `--train.init_from`. Adam's rate is ours.
"""

from ksdiff_jax.config import DataConfig, TrainConfig
from ksdiff_jax.models.fd2talk.autoencoder.config import Config, ModelConfig


def config() -> Config:
    return Config(
        name="fd2talk_autoencoder",
        model=ModelConfig(compute_dtype="bfloat16"),
        data=DataConfig(batch_size=32),
        train=TrainConfig(warmup_steps=0, weight_decay=0.0, remat="full"),
    )
