"""Movement of the mouth while nothing is said.

    silence_speed   mean |o_{t+1} − o_t| · fps over the steps inside pauses, face heights per second
    silence_ratio   the same over that of the steps outside pauses, no unit

o is the opening over face height; pauses are those of `head_speech.pauses_of`, half a second or
more. The definitions are ours. Papers show silent passages but have no figure for them. By the
speed alone a still face is the best of all; by the ratio it is as bad as a mouth that does not
notice pauses, 1.
"""

import numpy as np

from ksdiff_jax.evaluate.valid_frames import Mask, valid_steps
from ksdiff_jax.typing import Bool, Float

_STILL = 1e-6  # face heights per second below which a mouth does not move


def silence_speed(
    opening: Float[np.ndarray, "t"],
    pauses: Bool[np.ndarray, "t"],
    *,
    fps: float,
    mask: Mask = None,
) -> float:
    """Return the mean speed of the opening in pauses; NaN for a clip without a pause."""
    return _speeds(opening, pauses, fps=fps, mask=mask)[0]


def silence_ratio(
    opening: Float[np.ndarray, "t"],
    pauses: Bool[np.ndarray, "t"],
    *,
    fps: float,
    mask: Mask = None,
) -> float:
    """Return the speed in pauses over the speed outside; 1 for a mouth that never moves, NaN for a
    clip without a pause or without speech.
    """
    inside, outside = _speeds(opening, pauses, fps=fps, mask=mask)
    if not np.isfinite(inside) or not np.isfinite(outside):
        return float("nan")
    if max(inside, outside) < _STILL:
        return 1.0
    return inside / outside if outside > 0 else float("inf")


def _speeds(opening, pauses, *, fps: float, mask: Mask) -> tuple[float, float]:
    """Return the mean speed over the steps between two frames of a pause, and over the others."""
    steps = valid_steps(mask, len(opening), order=1)
    moved = np.abs(np.diff(opening.astype(np.float64)))[steps] * fps
    quiet = (pauses[1:] & pauses[:-1])[steps]
    return tuple(
        float(moved[chosen].mean()) if chosen.any() else float("nan") for chosen in (quiet, ~quiet)
    )
