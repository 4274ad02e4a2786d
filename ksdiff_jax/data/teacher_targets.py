"""What a student is trained to give: the features of its teacher, standardised.

    y_{i, d} = (h_{i, d} - mean_i h_{i, d}) / σ_d,    σ_d² = mean of (h - mean)² over all frames

The mean is that of the clip, which a causal student cannot know before the end of it; what it adds
to all frames of a clip alike is not asked of it. σ is pooled over clips of the training split.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.transforms import FeaturesOf
from ksdiff_jax.typing import Float

MOST_CLIPS = 512  # of a data set that the deviation is pooled over, evenly spaced
_LEAST_SHARE = 1e-3  # of the largest deviation; a feature that hardly moves is not blown up


@dataclass(frozen=True, eq=False)
class TeacherTargets:
    """Returns y of a clip; a plain value, so that it can be sent to reader processes."""

    features_of: FeaturesOf
    deviation: Float[np.ndarray, "d"]

    def __call__(self, clip: Clip) -> Float[np.ndarray, "f d"]:
        """Return the targets of the whole clip."""
        return _centred(self.features_of(clip)) / self.deviation


def teacher_targets(features_of: FeaturesOf, splits: Sequence[Sequence[Clip]]) -> TeacherTargets:
    """Return the targets with the deviation over the training clips of all data sets."""
    total, frames = 0.0, 0
    for clips in splits:
        count = min(len(clips), MOST_CLIPS)
        for place in range(count):
            centred = _centred(features_of(clips[place * len(clips) // count])).astype(np.float64)
            total, frames = total + np.square(centred).sum(axis=0), frames + len(centred)
    deviation = np.sqrt(total / max(frames, 1))
    least = max(float(deviation.max()) * _LEAST_SHARE, np.finfo(np.float32).tiny)
    return TeacherTargets(features_of, np.maximum(deviation, least).astype(np.float32))


def _centred(features: Float[np.ndarray, "f d"]) -> Float[np.ndarray, "f d"]:
    features = np.asarray(features, np.float32)
    return features - features.mean(axis=0)
