"""DiffSpeaker, the paper's baseline: `ksdiff-jax train diffspeaker --data.path SHARDS`.

This is configs/paper.py without what KSDiff adds, with the sizes of DiffSpeaker's released model:
one layer, four heads, a feed-forward block of 2 D; `models/ksdiff/diffspeaker.py` lists the
changes. As in the original, the Wav2Vec 2.0 is trained too. Data, steps and rates are those of
configs/paper.py, so that the two can be compared.
"""

from dataclasses import replace
from pathlib import Path

from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.models.ksdiff.diffspeaker import DIFFSPEAKER
from ksdiff_jax.overrides import load_config, override


def config() -> Config:
    full = load_config(Path(__file__).with_name("paper.py"))
    changes = dict(DIFFSPEAKER) | {"model.encoder.finetune": True}
    return replace(override(full, changes), name="diffspeaker")
