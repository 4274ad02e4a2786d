"""FD2Talk's frames stage as published (§4.1): `ksdiff-jax train fd2talk_frames`.

The UNet of latent diffusion for 256² pictures, batches of 32 frames. Needs shards of `ksdiff-jax
prepare --pictures 256` and the run of `fd2talk_autoencoder` in `--model.autoencoder_path`. Adam's
rate and width are ours. Needs an accelerator to finish.
"""

from ksdiff_jax.config import DataConfig, TrainConfig
from ksdiff_jax.models.fd2talk.frames.config import Config, ModelConfig


def config() -> Config:
    return Config(
        name="fd2talk_frames",
        model=ModelConfig(compute_dtype="bfloat16"),
        data=DataConfig(batch_size=32),
        train=TrainConfig(warmup_steps=0, weight_decay=0.0, remat="full"),
    )
