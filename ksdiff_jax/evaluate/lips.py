"""Lip metrics: the distance between predicted and true lips, the correlation of their motion, and
lip closure.

All functions take one clip; those with `mask` leave out frames (`valid_frames`). Vertices are in
metres with head pose removed: the face model is evaluated at the predicted expression and jaw with
no global rotation, no neck and no camera, so that only articulation is scored.

Lip Vertex Error. Papers use different distances, so `lip_vertex_error` returns every variant. With
d_t,v = |p_t,v − q_t,v| over lip vertices v of frame t:

    squared_m2   mean_t max_v d²_t,v           DiffSpeaker, CodeTalker        (m²)
    root_m       sqrt(squared_m2) of the clip  ARTalk                         (m)
    distance_m   mean_t max_v d_t,v            (times 1000: mm)               (m)

Upper-face Dynamics Deviation (FDD), signed, truth minus prediction; `dynamics_deviation` returns
every variant. With n_t,v = |x_t,v − template_v| over vertices v of the upper face:

    squared_m2   S(truth) − S(prediction),  S = mean_v std_t n²_t,v   DiffSpeaker, CodeTalker   (m²)
    distance_m   the same with n in place of n²                                                 (m)
    absolute_m2  mean_v |std_t n²_t,v of the truth − that of the prediction|   ours             (m²)

In the signed ones a vertex that moves too much and one that moves too little cancel.

The rates and the precision of closures, and the correlation of the opening, are ours and without
unit; papers judge closures by eye. Openings are relative to the face height (chin to hairline), as
landmark trackers measure real faces. Lips count as closed below 0.015 of it: on 30 tracked clips of
real speakers that is 16 % of all frames.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.evaluate.valid_frames import Mask, valid, valid_slices
from ksdiff_jax.face.lip_gap import CLOSED_SHARE
from ksdiff_jax.typing import Bool, Float

CLOSED_BELOW = CLOSED_SHARE  # inner-lip distance over face height
BILABIALS = frozenset("pbm")
_STILL = 1e-6  # a range in radians, metres or face heights below which a series counts as constant


class LipVertexError(NamedTuple):
    """The variants of LVE over one clip; see the module's docstring."""

    squared_m2: float
    root_m: float
    distance_m: float


class DynamicsDeviation(NamedTuple):
    """The variants of FDD over one clip; see the module's docstring."""

    squared_m2: float
    distance_m: float
    absolute_m2: float


class Closure(NamedTuple):
    """Lip closures of one clip, as counts that are added over clips."""

    closed: int  # bilabial intervals in which the lips close
    intervals: int  # bilabial intervals


def squared_lip_error(
    predicted: Float[np.ndarray, "t v 3"],
    truth: Float[np.ndarray, "t v 3"] | Float[np.ndarray, "v 3"],
) -> Float[np.ndarray, "t"]:
    """Return the squared distance of the worst lip vertex in every frame, m²."""
    return np.max(np.sum((predicted - truth) ** 2, axis=-1), axis=-1)


def lip_vertex_error(
    predicted: Float[np.ndarray, "t v 3"], truth: Float[np.ndarray, "t v 3"], *, mask: Mask = None
) -> LipVertexError:
    """Return all variants of LVE over one clip of lip vertices."""
    predicted, truth = valid(mask, predicted, truth)
    squared = squared_lip_error(predicted, truth)
    mean = float(np.mean(squared))
    return LipVertexError(
        squared_m2=mean, root_m=mean**0.5, distance_m=float(np.mean(np.sqrt(squared)))
    )


def dynamics_deviation(
    predicted: Float[np.ndarray, "t v 3"],
    truth: Float[np.ndarray, "t v 3"],
    template: Float[np.ndarray, "v 3"],
    *,
    mask: Mask = None,
) -> DynamicsDeviation:
    """Return all variants of FDD over one clip of upper-face vertices."""
    squared = [np.sum((v - template) ** 2, axis=-1) for v in valid(mask, predicted, truth)]
    predicted_m2, true_m2 = (np.std(each, axis=0) for each in squared)
    predicted_m, true_m = (np.std(np.sqrt(each), axis=0) for each in squared)
    return DynamicsDeviation(
        squared_m2=float(np.mean(true_m2) - np.mean(predicted_m2)),
        distance_m=float(np.mean(true_m) - np.mean(predicted_m)),
        absolute_m2=float(np.mean(np.abs(true_m2 - predicted_m2))),
    )


def pearson(a: Float[np.ndarray, "t"], b: Float[np.ndarray, "t"], *, mask: Mask = None) -> float:
    """Return the Pearson correlation; 0 if the first series is constant (a constant predicts
    nothing).

    The result is NaN if the second series, the truth, is constant or there are fewer than two
    frames, because the correlation is then undefined.
    """
    a, b = (each.astype(np.float64) for each in valid(mask, a, b))
    if len(b) < 2 or np.ptp(b) < _STILL:
        return float("nan")
    if np.ptp(a) < _STILL:
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def bilabial_frames(
    phonemes: Sequence[tuple[str, float, float]], *, frames: int, fps: float
) -> list[slice]:
    """Return the frames of every /p b m/: those whose instants i / fps are in the interval widened
    by one frame on each side.

    `phonemes` contains (ipa, start_s, end_s); the first letter decides, so long and aspirated
    phonemes count.
    """
    slices = []
    for ipa, start_s, end_s in phonemes:
        if ipa.lstrip("ˈˌ")[:1] not in BILABIALS:
            continue
        first = max(0, int(np.ceil(start_s * fps - 1e-6)) - 1)
        last = min(frames - 1, int(np.floor(end_s * fps + 1e-6)) + 1)
        if first <= last:
            slices.append(slice(first, last + 1))
    return slices


def closures(
    opening_ratio: Float[np.ndarray, "t"], intervals: Sequence[slice], *, mask: Mask = None
) -> Closure:
    """Count the intervals with at least one frame in which the lips are closed."""
    (opening_ratio,), intervals = valid(mask, opening_ratio), valid_slices(mask, intervals)
    closed = sum(bool(np.min(opening_ratio[interval]) < CLOSED_BELOW) for interval in intervals)
    return Closure(closed=closed, intervals=len(intervals))


def closure_above_chance(
    opening_ratio: Float[np.ndarray, "t"], intervals: Sequence[slice], *, mask: Mask = None
) -> float:
    """Return the share of /p b m/ in which the lips close, minus that of the same intervals moved
    through the clip by every other number of frames (in a circle).

    In [−1, 1], ours: a mouth that is always shut has the closure rate 1, and 0 here, as has one
    that closes often but at any time. NaN for a clip without /p b m/.
    """
    (opening_ratio,), intervals = valid(mask, opening_ratio), valid_slices(mask, intervals)
    if not intervals:
        return float("nan")
    shut, shares = closed_frames(opening_ratio), np.zeros(len(opening_ratio))
    for interval in intervals:
        length = interval.stop - interval.start
        # the share of shifts at which frames start ... start + length − 1 contain a closed one
        around = np.concatenate([shut, shut[: length - 1]])
        meets = np.lib.stride_tricks.sliding_window_view(around, length).any(axis=1)
        shares += np.roll(meets, -interval.start) / len(intervals)
    others = shares[1:].mean() if len(shares) > 1 else shares[0]
    return float(shares[0] - others)


def closed_frames(opening_ratio: Float[np.ndarray, "t"]) -> Bool[np.ndarray, "t"]:
    """Return the frames in which the lips are closed."""
    return opening_ratio < CLOSED_BELOW


def justified_closures(
    predicted: Bool[np.ndarray, "t"], truth: Bool[np.ndarray, "t"], *, mask: Mask = None
) -> tuple[int, int]:
    """Return (predicted closed frames within one frame of a truly closed one, predicted closed
    frames).

    Their ratio over all clips is the closure precision: a mouth that never opens has a perfect
    closure rate and a precision no better than the share of truly closed frames.
    """
    predicted, truth = valid(mask, predicted, truth)
    near = truth.copy()
    near[1:] |= truth[:-1]
    near[:-1] |= truth[1:]
    return int(np.sum(predicted & near)), int(np.sum(predicted))
