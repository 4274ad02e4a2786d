"""KSDiff as published (§3.3): `ksdiff-jax train paper --data.path SHARDS`.

D = 512, six layers and eight heads everywhere, a frozen Wav2Vec 2.0 in front, 100k steps of 32
clips. Needs an accelerator to finish; builds, steps and samples on a CPU. The encoder is downloaded
on first use; without a network, `--model.encoder.path` names the folder of a copy.
"""

from ksdiff_jax.models.ksdiff.config import Config, ModelConfig
from ksdiff_jax.speech.config import EncoderConfig, PretrainedEncoderConfig


def config() -> Config:
    encoder = EncoderConfig(
        kind="pretrained",
        path="facebook/wav2vec2-base-960h",
        architecture=PretrainedEncoderConfig(),
    )
    return Config(name="paper", model=ModelConfig(encoder=encoder))
