"""KSDiff on VoxCeleb, for the paper's Table 1: `ksdiff-jax prepare voxceleb VOX --out
shards/voxceleb`, then `ksdiff-jax train voxceleb`.

The model, the batches and the 100k steps are those of configs/paper.py. The paper does not tell
which part of VoxCeleb it uses; `prepare` keeps the published split into `dev` and `test`, which
share no speaker, and takes `val` from `dev`. Needs an accelerator to finish.
"""

from dataclasses import replace
from pathlib import Path

from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.overrides import load_config


def config() -> Config:
    paper = load_config(Path(__file__).with_name("paper.py"))
    return replace(paper, name="voxceleb", data=replace(paper.data, path="shards/voxceleb"))
