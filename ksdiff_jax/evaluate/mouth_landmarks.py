"""LMD, the landmark distance of the mouth: the mean distance between predicted and true lips.

    LMD = mean_t mean_k |p_t,k − q_t,k|        millimetres, over the 40 points of `face_points`

of a clip, and the mean over clips. The points are 3-D, of the mean identity, with the head pose
removed; papers that measure pictures use pixels and aligned 2-D points. Two faces that do not move
are reported as baselines: the resting one, and the mean of all true frames.
"""

from collections.abc import Sequence

import numpy as np

from ksdiff_jax.evaluate.intervals import bounded, t_interval
from ksdiff_jax.evaluate.valid_frames import Mask, valid
from ksdiff_jax.typing import Float

Mouths = Sequence[Float[np.ndarray, "_ m 3"]]


def landmark_distance(
    predicted: Float[np.ndarray, "t m 3"] | Float[np.ndarray, "m 3"],
    truth: Float[np.ndarray, "t m 3"],
    *,
    mask: Mask = None,
) -> float:
    """Return the LMD of one clip in mm; a prediction of one frame is compared with every frame."""
    distances = np.linalg.norm(predicted - truth, axis=-1)
    return 1000.0 * float(np.mean(*valid(mask, distances)))


def landmark_figures(
    predicted: Mouths, truth: Mouths, *, resting: Float[np.ndarray, "m 3"]
) -> dict[str, float]:
    """Return the LMD over clips with its interval, and the LMD of the two faces that do not
    move.
    """
    mean = np.concatenate(list(truth)).mean(axis=0)
    distances = [landmark_distance(p, t) for p, t in zip(predicted, truth, strict=True)]
    return {
        **bounded("lmd_mm", t_interval(distances), low=0.0),
        "lmd_rest_mm": float(np.mean([landmark_distance(resting, t) for t in truth])),
        "lmd_mean_mm": float(np.mean([landmark_distance(mean, t) for t in truth])),
    }
