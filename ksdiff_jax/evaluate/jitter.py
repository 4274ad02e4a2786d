"""Jitter: how abruptly a motion changes its acceleration.

    J(x) = mean_t mean_k |x_{t+3,k} − 3 x_{t+2,k} + 3 x_{t+1,k} − x_{t,k}| · fps³

over frames t and points k: the mean jerk (TransPose, Yi et al. 2021), in units of the points per
s³. The lips' is in m/s³ (head pose removed), that of the head in degrees/s³: its axis-angle in
degrees is one point. Papers read less as better, and then a still face is the best of all;
`log_ratio` compares with the truth instead.
"""

import math

import numpy as np

from ksdiff_jax.evaluate.valid_frames import Mask, valid_steps
from ksdiff_jax.typing import Float


def jitter(points: Float[np.ndarray, "t k d"], *, fps: float, mask: Mask = None) -> float:
    """Return the mean jerk of k points; NaN with fewer than four frames in a row."""
    steps = valid_steps(mask, len(points), order=3)
    if not steps.any():
        return float("nan")
    jerk = np.linalg.norm(np.diff(points.astype(np.float64), n=3, axis=0)[steps], axis=-1)
    return float(jerk.mean()) * fps**3


def head_jitter(rotation: Float[np.ndarray, "t 3"], *, fps: float, mask: Mask = None) -> float:
    """Return the mean jerk of the head rotation (axis-angle, radians) in degrees/s³."""
    return jitter(np.degrees(rotation)[:, None], fps=fps, mask=mask)


def log_ratio(value: float, truth: float) -> float:
    """Return |log2(value / truth)|, 0 for equal values and 1 for half or twice the truth; infinite
    if one of them is 0, NaN if both are or one is undefined.
    """
    if not (value >= 0 and truth >= 0) or value == truth == 0:
        return float("nan")
    return abs(math.log2(value / truth)) if value > 0 and truth > 0 else math.inf
