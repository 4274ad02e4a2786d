"""What is measured on one real clip: a predicted mouth against the tracked one.

All openings are over face height at 25 Hz. With lag k, frame i + k of the prediction is compared
with frame i of the measurement (`real_speech.lagged_correlation`).

Closure. A /p b m/ counts as closed if the opening is below `CLOSED_BELOW` in one of its frames; no
threshold is fitted to a predictor. The phones' times are those of the sound, so the prediction is
read at these times, and the measurement at these times moved by the clip's own offset. Precision
asks of the predicted closed frames how many lie within one frame of a closed frame of the real
lips, at the best lag.
"""

from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.evaluate.lips import (
    bilabial_frames,
    closed_frames,
    closures,
    justified_closures,
    pearson,
)
from ksdiff_jax.evaluate.measured import MeasuredClip
from ksdiff_jax.evaluate.spectrum import power_band
from ksdiff_jax.typing import Float

MAX_LAG_FRAMES = 8
_EQUAL = 1e-9  # correlations that differ by less are equal up to rounding


class Movement(NamedTuple):
    """How a mouth moves, without regard to when."""

    closed_share: float
    std: float
    speed: float  # mean |step|, face heights per second
    half_hz: float
    most_hz: float


class MouthScore(NamedTuple):
    """A predicted opening against the measured one of a clip."""

    correlation: float  # at the best lag
    lag: float  # frames; positive: the prediction is late
    correlation_at_zero: float
    closed: float  # /p b m/ in which the predicted lips close
    bilabials: float
    right_frames: float  # predicted closed frames that are near a closed frame of the real lips
    closed_frames: float  # predicted closed frames
    movement: Movement


def lagged_correlation(
    predicted: Float[np.ndarray, "t"],
    measured: Float[np.ndarray, "n"],
    *,
    max_lag_frames: int = MAX_LAG_FRAMES,
) -> tuple[float, int]:
    """Return (Pearson r, lag) at the lag of highest r; lag k compares predicted[i + k] with
    measured[i].
    """
    best = (-np.inf, 0)
    # among equal scores the smallest lag
    for lag in sorted(range(-max_lag_frames, max_lag_frames + 1), key=abs):
        score = pearson(*at_lag(predicted, measured, lag))
        if score > best[0] + _EQUAL:
            best = (score, lag)
    return (best[0], best[1]) if np.isfinite(best[0]) else (float("nan"), 0)


def at_lag(predicted: np.ndarray, measured: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the frames that both have when the prediction is read `lag` frames later."""
    ahead, behind = predicted[max(0, lag) :], measured[max(0, -lag) :]
    overlap = min(len(ahead), len(behind))
    return ahead[:overlap], behind[:overlap]


def movement(opening: Float[np.ndarray, "t"]) -> Movement:
    """Return how a mouth moves."""
    speed = float(np.mean(np.abs(np.diff(opening)))) * MOTION_RATE_HZ if len(opening) > 1 else 0.0
    band = power_band(opening[:, None], fps=float(MOTION_RATE_HZ))
    shut = float(np.mean(closed_frames(opening)))
    return Movement(shut, float(np.std(opening)), speed, *band)


def mouth_score(predicted: Float[np.ndarray, "t"], clip: MeasuredClip) -> MouthScore:
    """Return the score of an opening predicted for the whole sound of a clip."""
    ahead = predicted[clip.first_frame :]
    correlation, lag = lagged_correlation(ahead, clip.opening)
    aligned = at_lag(ahead, clip.opening, lag)
    right, shut = justified_closures(*map(closed_frames, aligned))
    phones = bilabial_frames(clip.bilabials, frames=len(predicted), fps=float(MOTION_RATE_HZ))
    found = closures(predicted, phones)
    return MouthScore(
        correlation,
        float(lag),
        pearson(*at_lag(ahead, clip.opening, 0)),
        float(found.closed),
        float(found.intervals),
        float(right),
        float(shut),
        movement(aligned[0]),
    )


def real_closures(clip: MeasuredClip, *, offset: int) -> tuple[int, int]:
    """Return (closed, all) of the /p b m/ of the real lips. `offset` is the lag of a prediction
    from the sound: the lips move that many frames before it.
    """
    moved = [
        (ipa, start - offset / MOTION_RATE_HZ, end - offset / MOTION_RATE_HZ)
        for ipa, start, end in clip.bilabials
    ]
    before = clip.first_frame / MOTION_RATE_HZ
    moved = [(ipa, start - before, end - before) for ipa, start, end in moved]
    frames = len(clip.opening)
    phones = bilabial_frames(moved, frames=frames, fps=float(MOTION_RATE_HZ))
    return tuple(closures(clip.opening, phones))
