"""What is scored: the motions that a system, a control or the truth gives a clip."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.models.system import Sample
from ksdiff_jax.typing import Bool, Float


class Prediction(NamedTuple):
    """Motion of one clip: n samples of the same speech. Keyframes are those of the first sample."""

    motion: Float[np.ndarray, "n t 59"]
    keyframes_expression: Bool[np.ndarray, "t"]
    keyframes_head: Bool[np.ndarray, "t"]


def prediction_of(samples: Sequence[Sample]) -> Prediction:
    """Samples of one clip as a prediction; a system without keyframes has placed none."""
    motion = np.stack([np.asarray(sample.motion, np.float32) for sample in samples])
    none = np.zeros(motion.shape[1], bool)
    return Prediction(
        motion,
        *(samples[0].tracks.get(f"keyframes_{path}", none) for path in ("expression", "head")),
    )
