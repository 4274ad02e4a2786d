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
            width=96,
            blocks=2,
            heads=4,
            output="motion",
            regions=regions,
            encoder=EncoderConfig(width=128, layers=4),
        ),
        # "motion", here and below, was chosen on validation clips: a small network that returns the
        # velocity learns more slowly, and with the error of the noise the steps that see little of
        # the motion, where speech alone decides, have almost no weight.
        loss=LossConfig(error_of="motion", sync=0.0),
        # The lips follow the speech and not the noise; lids and the rest of the face stay random.
        sample=SampleConfig(steps=20, guidance=1.5, lip_temperature=0.0),
        data=DataConfig(batch_size=8, clip_frames=96, corpus_clips=1000),
        train=TrainConfig(
            steps=10_000,
            learning_rate=1e-3,
            warmup_steps=100,
            decay="cosine",
            weight_decay=0.0,
            ema_decay=0.995,
            validate_every=2500,
            validate_clips=8,
            checkpoint_every=1000,
        ),
    )
