"""The demo's model with a small budget, for `ksdiff-jax ablate ablation`: every row of Table 3 gets
the same clips, steps and rates.

The width and the layers are the demo's; 600 clips of the built-in corpus, and batches a quarter of
the demo's.
"""

from dataclasses import replace
from pathlib import Path

from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.overrides import load_config


def config() -> Config:
    small = load_config(Path(__file__).with_name("demo.py"))
    return replace(
        small,
        name="ablation",
        data=replace(small.data, corpus_clips=600, batch_size=8, clip_frames=64),
        train=replace(
            small.train,
            steps=600,
            warmup_steps=60,
            ema_decay=0.98,
            log_every=20,
            validate_every=150,
            checkpoint_every=100,
            checkpoints_kept=1,
        ),
    )
