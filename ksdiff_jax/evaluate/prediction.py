"""The input of the scores: the motions of a clip from a system, a control or the ground truth."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.models.system import Sample
from ksdiff_jax.typing import Bool, Float


class Prediction(NamedTuple):
    """Motion of one clip: n samples of the same speech. Keyframes are those of the first sample, or
    None if the system predicts none.
    """

    motion: Float[np.ndarray, "n t m"]
    keyframes_expression: Bool[np.ndarray, "t"] | None = None
    keyframes_head: Bool[np.ndarray, "t"] | None = None


def prediction_of(samples: Sequence[Sample]) -> Prediction:
    """Return samples of one clip as a prediction."""
    motion = np.stack([np.asarray(sample.motion, np.float32) for sample in samples])
    tracks = samples[0].tracks
    return Prediction(motion, *(tracks.get(f"keyframes_{path}") for path in ("expression", "head")))
