"""DisentTalk as published (§IV-A): `ksdiff-jax train disenttalk --data.path SHARDS`.

T = 400 steps of noise, Adam at 1e-4, 32 clips, HuBERT in front, k = 5. Width, blocks and heads are
ours. Needs an accelerator to finish. HuBERT is downloaded on first use; without a network,
`--model.encoder.path` names the folder of a copy.

The regions are of the built-in corpus. For other data, and for the 64 numbers of bfm, measure them
with `ksdiff-jax regions SHARDS` and give what it prints. The lip-sync model is a run of the system
`sync`, on the same space; `--loss.sync 0` trains without one.
"""

from ksdiff_jax.config import TrainConfig
from ksdiff_jax.models.disenttalk.config import (
    Config,
    ModelConfig,
    RegionsConfig,
    SyncModelConfig,
)
from ksdiff_jax.speech.config import EncoderConfig, PretrainedEncoderConfig


def config() -> Config:
    encoder = EncoderConfig(
        kind="pretrained",
        path="facebook/hubert-base-ls960",
        architecture=PretrainedEncoderConfig(architecture="hubert"),
    )
    # Chosen by hand among the groups of face/actions.py: lids; mouth and the opening of the jaw.
    regions = RegionsConfig(eye=tuple(range(8)), lip=(*range(20, 32), 50))
    return Config(
        name="disenttalk",
        model=ModelConfig(encoder=encoder, regions=regions, sync=SyncModelConfig(path="sync")),
        train=TrainConfig(warmup_steps=0, weight_decay=0.0),
    )
