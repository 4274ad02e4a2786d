"""Figures of every clip by itself, so that two models can be compared clip by clip.

    figures[name][i] = mean over the samples of clip i of the figure of `scores.score`

Figures over a whole split weight long clips more; the mean of these does not. A figure that is not
defined for a clip, such as the closures of one without /p b m/, is NaN.
"""

import math
from collections.abc import Collection, Sequence

import numpy as np

from ksdiff_jax.data.schema import Clip
from ksdiff_jax.evaluate.prediction import Prediction
from ksdiff_jax.evaluate.scores import FACE_GROUPS, score
from ksdiff_jax.models.ksdiff.config import KeyframeConfig
from ksdiff_jax.motion.space import BUILTIN


def clip_scores(
    clips: Sequence[Clip],
    predictions: Sequence[Prediction],
    *,
    names: Sequence[str],
    groups: Collection[str],
    keyframe_config: KeyframeConfig,
) -> dict[str, list[float]]:
    """Return the figures `names` for each clip; groups that need a face are left out for clips of
    another space than the built-in head's.
    """
    others = any(clip.space != BUILTIN.name for clip in clips)
    measured = [group for group in groups if not (others and group in FACE_GROUPS)]
    table = [
        [
            score(
                [clip],
                [prediction._replace(motion=sample[None])],
                groups=measured,
                keyframe_config=keyframe_config,
            )
            for sample in prediction.motion
        ]
        for clip, prediction in zip(clips, predictions, strict=True)
    ]
    return {
        name: [
            float(np.mean([figures.get(name, math.nan) for figures in samples]))
            for samples in table
        ]
        for name in names
    }
