"""A student of the checkpoint that ships, for 1, 2 or 4 steps of DDIM: `ksdiff-jax train distill`.

Any trained KSDiff can be the teacher: `--distill.teacher runs/mine`. The student has the network of
its teacher and starts from its weights. It trains on the built-in corpus, in every style of the
teacher.
"""

from ksdiff_jax.config import DataConfig, TrainConfig
from ksdiff_jax.models.ksdiff.config import Config, DistillConfig, SampleConfig


def config() -> Config:
    return Config(
        name="distill",
        distill=DistillConfig(teacher="whisper_demo"),
        sample=SampleConfig(steps=4),
        data=DataConfig(batch_size=8, clip_frames=96, corpus_clips=1000),
        train=TrainConfig(
            steps=2000,
            learning_rate=5e-4,
            warmup_steps=50,
            decay="cosine",
            ema_decay=0.995,
            validate_every=1000,
            validate_clips=8,
            checkpoint_every=250,
        ),
    )
