"""The small KSDiff on the features of Whisper's smallest encoder: `ksdiff-jax train whisper_demo`.

It starts from the weights of `demo`; what reads the features is new. The features are computed
once per clip and kept in the cache, so the sound is not augmented. A second run adds real faces
(README, "Real voices"); its weights are the checkpoint that ships.
"""

from dataclasses import replace
from pathlib import Path

from ksdiff_jax.models.ksdiff.config import Config, RegressionConfig
from ksdiff_jax.overrides import load_config
from ksdiff_jax.speech.config import EncoderConfig


def config() -> Config:
    small = load_config(Path(__file__).with_name("demo.py"))
    encoder = EncoderConfig(kind="pretrained", path="openai/whisper-tiny.en")
    return replace(
        small,
        name="whisper_demo",
        model=replace(small.model, encoder=encoder, regression=RegressionConfig(enabled=True)),
        # Guidance made the mouths of real voices too fast, with the regression and without. The
        # head is too slow without it. Sampled blinks are too rare on real voices.
        # The regression follows voices better that are unlike those of the real faces. In the
        # causal mode the lips close less without guidance, which makes them faster. The table of
        # samplers chose this sampler for this checkpoint (`evaluate --samplers`), and for no other.
        sample=replace(
            small.sample,
            sampler="unipc",
            spacing="log_snr",
            steps=5,
            guidance=1.0,
            head_guidance=3.0,
            blinks="drawn",
            regression_weight=0.15,
            regression_gain=1.7,
            causal_guidance=2.0,
            causal_regression_gain=1.4,
        ),
        data=replace(small.data, augment=None, corpus_clips=1000),
        train=replace(
            small.train, init_from="demo", learning_rate=1e-3, steps=1000, validate_every=500
        ),
    )
