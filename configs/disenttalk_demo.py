"""DisentTalk at the size of a demo: `ksdiff-jax train disenttalk_demo`.

Trains on the built-in corpus, with our log-mel encoder in the place of HuBERT.
"""

from ksdiff_jax.config import DataConfig, TrainConfig
from ksdiff_jax.models.disenttalk.config import (
    Config,
    LossConfig,
    ModelConfig,
    RegionsConfig,
    SampleConfig,
)
from ksdiff_jax.speech.config import EncoderConfig


def config() -> Config:
    # `ksdiff-jax regions` on 810 training clips of the built-in corpus, by the maximum over frames.
    # The corpus moves the lids by four numbers alone, so D_eye does not have the paper's eight.
    regions = RegionsConfig(
        lip=(22, 23, 29, 30, 32, 34, 36, 42, 43, 44, 45, 46, 50), eye=(0, 2, 4, 6)
    )
    return Config(
        name="disenttalk_demo",
        model=ModelConfig(
            width=128,
            blocks=3,
            heads=4,
            regions=regions,
            encoder=EncoderConfig(width=128, layers=4),
        ),
        # Few steps: not on noise that hardly hides the motion.
        loss=LossConfig(snr_cap=1.0, sync=0.0),
        sample=SampleConfig(steps=20, guidance=1.5),
        data=DataConfig(batch_size=16, corpus_clips=1000),
        train=TrainConfig(
            steps=3000,
            learning_rate=1e-3,
            warmup_steps=100,
            decay="cosine",
            weight_decay=0.0,
            ema_decay=0.995,
            validate_every=750,
            validate_clips=8,
            checkpoint_every=250,
        ),
    )
