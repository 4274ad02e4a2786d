"""Ridges from speech features to the mouth openings of other people: the baseline of lip motion.

Every person is predicted by a ridge that saw nobody of the same group: a group is a fold of
`people_folds.json`, and a person outside the file is a group alone. People the file lists as
`never` are predicted but never fitted to.

Real clips have their sound a few frames before or after the picture, so each training clip is
aligned by its own lag: the best lag of a ridge fitted to the other training groups, in two rounds
from lag 0. The penalty is chosen in the same way inside the training groups: the one whose
predictions of left-out training groups have the highest mean correlation over people. Nothing of
the predicted person enters either choice.
"""

from collections.abc import Sequence

import numpy as np

from ksdiff_jax.evaluate.measured import MeasuredClip
from ksdiff_jax.evaluate.mouth_scores import at_lag, lagged_correlation
from ksdiff_jax.evaluate.ridge import Moments, Ridge, fit_ridge, moments
from ksdiff_jax.typing import Float

PENALTIES = (100.0, 1e3, 3e3, 1e4, 3e4)
FIRST_PENALTY = 1e3  # before one is chosen, and where one group alone is left to train on
ALIGNMENTS = 2

Rows = Sequence[Float[np.ndarray, "_ d"]]


def ridge_openings(
    rows: Rows, clips: Sequence[MeasuredClip], *, groups: Sequence[str], trains: Sequence[bool]
) -> list[Float[np.ndarray, "_"]] | None:
    """Return the opening of every clip from a ridge on the clips of other groups.

    `rows[i]` are the features of the whole sound of clip i at 25 Hz, `groups[i]` is its group, and
    `trains[i]` is whether it may be fitted to. The result is None if some group has nobody else to
    learn from.
    """
    found: dict[tuple[int, ...], Ridge] = {}  # people who train nothing share one ridge
    predicted = []
    for group, of in zip(groups, rows, strict=True):
        chosen = tuple(i for i, other in enumerate(groups) if other != group and trains[i])
        if not chosen:
            return None
        if chosen not in found:
            parts = ([series[i] for i in chosen] for series in (rows, clips, groups))
            found[chosen] = _ridge_of(*parts)
        predicted.append(found[chosen].predict(of))
    return predicted


def _ridge_of(rows: Rows, clips: Sequence[MeasuredClip], groups: Sequence[str]) -> Ridge:
    """Return the ridge of the training clips, with its lags and its penalty found among them."""
    lags = [0] * len(clips)
    sums = _sums(rows, clips, groups, lags)
    if len(sums) < 2:
        return fit_ridge(_total(sums), penalty=FIRST_PENALTY)
    for _ in range(ALIGNMENTS):
        predicted = _left_out(rows, groups, sums, penalty=FIRST_PENALTY)
        lags = [_score(p, clip)[1] for p, clip in zip(predicted, clips, strict=True)]
        sums = _sums(rows, clips, groups, lags)
    scores = [
        _mean_over_people(_left_out(rows, groups, sums, penalty=penalty), clips)
        for penalty in PENALTIES
    ]
    return fit_ridge(_total(sums), penalty=PENALTIES[int(np.argmax(scores))])


def _sums(
    rows: Rows, clips: Sequence[MeasuredClip], groups: Sequence[str], lags: Sequence[int]
) -> dict[str, Moments]:
    """Return the moments of each group, its clips aligned by their lags."""
    pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for of, clip, group, lag in zip(rows, clips, groups, lags, strict=True):
        aligned = at_lag(of[clip.first_frame :], clip.opening, lag)
        pairs.setdefault(group, []).append(aligned)
    # one product of matrices per group: many small ones take much longer
    return {
        group: moments(*map(np.concatenate, zip(*of_group, strict=True)))
        for group, of_group in pairs.items()
    }


def _total(sums: dict[str, Moments]) -> Moments:
    first, *others = sums.values()
    for other in others:
        first = first.plus(other)
    return first


def _left_out(
    rows: Rows, groups: Sequence[str], sums: dict[str, Moments], *, penalty: float
) -> list[np.ndarray]:
    """Return the opening of every clip by a ridge without its group."""
    total = _total(sums)
    ridges = {group: fit_ridge(total.minus(own), penalty=penalty) for group, own in sums.items()}
    return [ridges[group].predict(of) for of, group in zip(rows, groups, strict=True)]


def _score(predicted: np.ndarray, clip: MeasuredClip) -> tuple[float, int]:
    return lagged_correlation(predicted[clip.first_frame :], clip.opening)


def _mean_over_people(predicted: Sequence[np.ndarray], clips: Sequence[MeasuredClip]) -> float:
    of_people: dict[str, list[float]] = {}
    for opening, clip in zip(predicted, clips, strict=True):
        of_people.setdefault(clip.person, []).append(_score(opening, clip)[0])
    return float(np.mean([np.nanmean(scores) for scores in of_people.values()]))
