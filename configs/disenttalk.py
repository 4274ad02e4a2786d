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
    # `ksdiff-jax regions` on 810 training clips of the built-in corpus, by the maximum over frames.
    # The corpus moves the lids by four numbers alone, so D_eye does not have the paper's eight.
    regions = RegionsConfig(
        lip=(22, 23, 29, 30, 32, 34, 36, 42, 43, 44, 45, 46, 50), eye=(0, 2, 4, 6)
    )
    return Config(
        name="disenttalk",
        model=ModelConfig(encoder=encoder, regions=regions, sync=SyncModelConfig(path="sync")),
        train=TrainConfig(warmup_steps=0, weight_decay=0.0),
    )
