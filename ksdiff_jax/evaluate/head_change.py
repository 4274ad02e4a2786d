"""What another recording changes in a head: the same noise with the speech of another clip.

The share of the variance that speech explains (`head_speech`) is of the speed of a head alone. Here
whole rotations are compared, each clip's with the next clip's, cut to the shorter length:

| figure | clips |
|---|---|
| `head_other_speech_deg` | mean angle between them, of the same noise |
| `head_r_own_noise`, `head_r_common_noise` | their correlation, mean over the three axes |

With own noise the heads of different recordings should have nothing in common; what they have with
common noise is what the noise gives them. The definitions are ours.
"""

from collections.abc import Sequence

import numpy as np

from ksdiff_jax.animate.engine import Engine
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.evaluate.intervals import bounded, t_interval
from ksdiff_jax.evaluate.pose import head_difference_deg
from ksdiff_jax.motion import space
from ksdiff_jax.typing import Float

MOST_CLIPS = 16
NOISE_ID = "common"


def head_change(engine: Engine, clips: Sequence[Clip], *, seed: int = 0) -> dict[str, float]:
    """Return the figures of the module's table for the first 16 clips; empty for fewer than two."""
    chosen = clips[:MOST_CLIPS]
    if len(chosen) < 2:
        return {}
    own = [engine.read_clip(clip) for clip in chosen]
    common = [utterance._replace(noise_id=NOISE_ID) for utterance in own]
    turns = [
        [sample.motion[:, space.ROTATION] for sample in engine.sample(utterances, seed=seed)]
        for utterances in (own, common)
    ]
    pairs_own, pairs_common = (
        [_cut(*pair) for pair in zip(of, [*of[1:], *of[:1]], strict=True)] for of in turns
    )
    figures = bounded(
        "head_other_speech_deg",
        t_interval([head_difference_deg(*pair) for pair in pairs_common]),
        low=0.0,
    )
    for name, pairs in (("own", pairs_own), ("common", pairs_common)):
        r = t_interval([correlation(*pair) for pair in pairs])
        figures |= bounded(f"head_r_{name}_noise", r, low=-1.0, high=1.0)
    return figures


def correlation(first: Float[np.ndarray, "t 3"], second: Float[np.ndarray, "t 3"]) -> float:
    """Return Pearson's r of two rotations, the mean over the axes; 0 for an axis that rests."""
    first, second = (turns - turns.mean(axis=0) for turns in (first, second))
    scale = np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))
    product = (first * second).sum(axis=0)
    return float(np.mean(np.divide(product, scale, out=np.zeros(3), where=scale > 0)))


def _cut(
    first: Float[np.ndarray, "t 3"], second: Float[np.ndarray, "u 3"]
) -> tuple[Float[np.ndarray, "v 3"], Float[np.ndarray, "v 3"]]:
    frames = min(len(first), len(second))
    return np.asarray(first[:frames], np.float64), np.asarray(second[:frames], np.float64)
