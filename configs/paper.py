"""KSDiff as published (§3.3): `ksdiff-jax train configs/paper.py --data.path SHARDS`.

D = 512, six layers and eight heads everywhere, 100k steps of 32 clips. Needs an accelerator to finish; builds, steps
and samples on a CPU. The speech encoder is the log-mel front end until pretrained encoders are in.
"""

from ksdiff_jax.config import Config


def config() -> Config:
    return Config(name="paper")
