"""FD2Talk's frames stage at the size of a demo: `ksdiff-jax train fd2talk_frames_demo
--model.autoencoder_path runs/fd2talk_autoencoder_demo`.

Trains on the latents of rendered heads of 64² pixels.
"""

from ksdiff_jax.config import DataConfig, TrainConfig
from ksdiff_jax.models.fd2talk.frames.config import Config, ModelConfig, SampleConfig
from ksdiff_jax.models.fd2talk.frames.layout import UNetConfig


def config() -> Config:
    unet = UNetConfig(
        channels=32,
        multipliers=(1, 2, 3),
        blocks=1,
        head_width=16,
        self_attention_levels=(2,),
        context_width=64,
        ffn_ratio=2,
        groups=8,
    )
    return Config(
        name="fd2talk_frames_demo",
        model=ModelConfig(picture_side=64, unet=unet),
        sample=SampleConfig(steps=20),
        data=DataConfig(batch_size=8, corpus_clips=400),
        train=TrainConfig(
            steps=6000,
            learning_rate=1e-3,
            warmup_steps=200,
            decay="cosine",
            weight_decay=0.0,
            ema_decay=0.999,
            validate_every=500,
            checkpoint_every=500,
        ),
    )
