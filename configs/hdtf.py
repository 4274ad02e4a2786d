"""KSDiff on HDTF, for the paper's Tables 1 to 3: `ksdiff-jax prepare hdtf HDTF --out shards/hdtf`,
then `ksdiff-jax train hdtf`.

The model, the batches and the 100k steps are those of configs/paper.py. The paper does not tell
its split; without a list in the folder, `prepare` holds out 5 % of the speakers for `val` and
another 5 % for `test`, the same ones every time. Needs an accelerator to finish.
"""

from dataclasses import replace
from pathlib import Path

from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.overrides import load_config


def config() -> Config:
    paper = load_config(Path(__file__).with_name("paper.py"))
    return replace(paper, name="hdtf", data=replace(paper.data, path="shards/hdtf"))
