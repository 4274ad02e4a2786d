"""Blinks: rate and duration.

The lid gap of an eye is the height of the upper lid's edge above the lower one's at the middle of
the eye (`face_points`), with the head pose removed. It is negative if a lid has passed the other. A
blink is a run of at least `SHORTEST_FRAMES` frames in which the gap of both eyes is below
`BLINK_BELOW` of that eye's median over the clip. Its duration is that of the run: at 25 Hz 80 ms or
more.

The definitions are ours; papers count blinks by other thresholds.

    rate   blinks of all clips over their seconds, with the interval of a ratio (`intervals`)
    usual  share of blinks with a duration from 80 to 400 ms

At 25 Hz short blinks are missed: a run of two frames needs lids that stay closed for 80 ms. Those
of the built-in corpus are more than nine tenths closed for 103 ms.

A face that does not move never blinks, whether it is at rest or the mean of the data: the rate of
these baselines is 0.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.evaluate.intervals import bounded, ratio_interval
from ksdiff_jax.evaluate.valid_frames import Mask, valid
from ksdiff_jax.typing import Float, Int

BLINK_BELOW = 0.1  # of the median gap
SHORTEST_FRAMES = 2
USUAL_S = (0.08, 0.4)
_ROUNDING_S = 1e-6


class ClipBlinks(NamedTuple):
    """Blinks of one clip."""

    durations_s: Float[np.ndarray, "n"]
    seconds: float  # of the clip


def lid_gaps(
    points: Float[np.ndarray, "t c 3"], lids: Int[np.ndarray, "2 p 2"]
) -> Float[np.ndarray, "t 2"]:
    """Return the gap of the right and of the left eye, in metres."""
    heights = points[..., 1][:, lids]  # (t, 2, p, 2)
    return np.mean(heights[..., 0] - heights[..., 1], axis=-1)


def blink_runs(gaps: Float[np.ndarray, "t 2"]) -> Int[np.ndarray, "n 2"]:
    """Return the first frame of each blink and the frame after its last."""
    shut = (gaps < BLINK_BELOW * np.median(gaps, axis=0)).all(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], shut, [False]]).astype(int)))
    runs = edges.reshape(-1, 2)
    return runs[runs[:, 1] - runs[:, 0] >= SHORTEST_FRAMES]


def clip_blinks(gaps: Float[np.ndarray, "t 2"], *, fps: float, mask: Mask = None) -> ClipBlinks:
    """Return the blinks of a clip of t frames."""
    (gaps,) = valid(mask, gaps)
    runs = blink_runs(gaps)
    return ClipBlinks((runs[:, 1] - runs[:, 0]) / fps, len(gaps) / fps)


def blink_figures(clips: Sequence[ClipBlinks], *, suffix: str = "") -> dict[str, float]:
    """Return count, rate and durations of all clips together; `suffix` is appended to the names of
    the figures.
    """
    durations = np.concatenate([clip.durations_s for clip in clips])
    low, high = USUAL_S[0] - _ROUNDING_S, USUAL_S[1] + _ROUNDING_S
    usual = (durations >= low) & (durations <= high)
    rate = ratio_interval(
        [float(len(clip.durations_s)) for clip in clips], [clip.seconds for clip in clips]
    )
    nothing = float("nan")
    return {
        f"blinks{suffix}": float(len(durations)),
        **bounded(f"blink_rate{suffix}_hz", rate, low=0.0),
        f"blink_usual_share{suffix}": float(np.mean(usual)) if len(durations) else nothing,
        f"blink_duration{suffix}_ms": 1000 * float(np.mean(durations))
        if len(durations)
        else nothing,
    }
