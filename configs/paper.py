"""KSDiff as published (§3.3): `ksdiff-jax train paper --data.path SHARDS`.

The model has D = 512, six layers and eight heads everywhere, and a frozen Wav2Vec 2.0 as its
encoder. It trains for 100k steps of 32 clips. A full run needs an accelerator; on a CPU the model
can be built, stepped and sampled. The encoder is downloaded on first use; without a network, give
the folder of a copy with `--model.encoder.path`.
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
