"""The lip-sync model on HuBERT features (DisentTalk Eq. 10): `ksdiff-jax train sync --data.path
SHARDS`.

The encoder is downloaded on first use and stays as it is; without a network,
`--model.encoder.path` names the folder of a copy.
"""

from ksdiff_jax.config import DataConfig
from ksdiff_jax.models.sync.config import Config, ModelConfig
from ksdiff_jax.speech.config import EncoderConfig, PretrainedEncoderConfig


def config() -> Config:
    encoder = EncoderConfig(
        kind="pretrained",
        path="facebook/hubert-base-ls960",
        architecture=PretrainedEncoderConfig(architecture="hubert"),
    )
    return Config(name="sync", model=ModelConfig(encoder=encoder), data=DataConfig(clip_frames=200))
