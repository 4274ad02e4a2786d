"""How heads and lids of generated motion move on real speech; real ranges are in `RANGES`.

Heads are measured on clips of 7 s or more, because slower movement does not fit into less. A blink
begins when both lids fall below half of their median gap; it closes if the gap falls below a tenth.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.evaluate.blinks import BLINK_BELOW, lid_gaps
from ksdiff_jax.evaluate.face_points import FacePoints, moving_points
from ksdiff_jax.evaluate.pose import angular_speed
from ksdiff_jax.evaluate.spectrum import power_band
from ksdiff_jax.motion import space
from ksdiff_jax.typing import Float

LONG_CLIP_S = 7.0
BEGINS_BELOW = 0.5  # of the median gap


class HeadScore(NamedTuple):
    """The head of one long clip."""

    speed_median_deg: float
    speed_95_deg: float
    half_hz: float
    most_hz: float


class Blinks(NamedTuple):
    """Blinks of one clip: begun, and of these closed."""

    begun: int
    closed: int
    seconds: float


def head_score(motion: Float[np.ndarray, "t 59"]) -> HeadScore:
    """Return the angular speed (degrees per second) and the spectrum of the head's rotation."""
    rotation = np.asarray(motion[:, space.ROTATION], np.float64)
    speed = np.degrees(angular_speed(rotation, fps=float(MOTION_RATE_HZ)))
    band = power_band(rotation, fps=float(MOTION_RATE_HZ))
    return HeadScore(float(np.median(speed)), float(np.percentile(speed, 95)), *band)


def blinks_of(motion: Float[np.ndarray, "t 59"], points: FacePoints) -> Blinks:
    """Return the blinks of a motion on the face of `points`."""
    return blinks_of_gaps(lid_gaps(moving_points(points, motion), points.lids))


def blinks_of_gaps(gaps: Float[np.ndarray, "t 2"]) -> Blinks:
    """Return the blinks in the gaps of both eyes."""
    share = np.max(gaps / np.median(gaps, axis=0), axis=1)  # of the eye that is further open
    edges = np.diff(np.concatenate([[False], share < BEGINS_BELOW, [False]]).astype(int))
    runs = np.flatnonzero(edges).reshape(-1, 2)
    closed = sum(bool(np.min(share[first:end]) < BLINK_BELOW) for first, end in runs)
    return Blinks(len(runs), closed, len(gaps) / MOTION_RATE_HZ)


def head_figures(heads: Sequence[HeadScore]) -> dict[str, float]:
    """Return the mean of every figure over long clips and seeds; empty if there is no long clip."""
    if not heads:
        return {}
    means = np.mean(np.array(heads), axis=0)
    names = ("speed_median_deg", "speed_95_deg", "half_hz", "most_hz")
    return {f"real_head_{n}": float(v) for n, v in zip(names, means, strict=True)}


def blink_figures(blinks: Sequence[Blinks]) -> dict[str, float]:
    """Return blinks per second and the share of them that close."""
    begun, closed, seconds = np.sum(np.array(blinks, np.float64), axis=0)
    share = float(closed / begun) if begun else float("nan")
    return {"real_blink_rate_hz": float(begun / seconds), "real_blinks_closed": share}
