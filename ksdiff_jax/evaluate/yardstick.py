"""Predicted mouths of real people, over people and sampling seeds, with baselines beside them.

A figure of a person is the mean over the person's clips weighted by seconds, and a figure of a set
is the mean over people: a person with many clips has no more weight than one with a single clip.
Intervals of correlations are `crossed_interval` over people and seeds. Rates and ratios (closures,
precision, movement over the real one) are ratios of sums over people with `ratio_interval`, from
the means over seeds.

A difference of two predictors is paired by person: people differ much more than predictors do.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.evaluate.intervals import Interval, crossed_interval, ratio_interval
from ksdiff_jax.evaluate.measured import MeasuredClip
from ksdiff_jax.evaluate.mouth_scores import (
    MouthScore,
    Movement,
    lagged_correlation,
    mouth_score,
    movement,
    real_closures,
)
from ksdiff_jax.typing import Float

Openings = Sequence[Float[np.ndarray, "_"]]
MOVEMENTS = ("closed_share", "std", "speed", "half_hz", "most_hz")
CHANCE_DRAWS = 5


class Scored(NamedTuple):
    """The scores of a predictor: `scores[s][c]` of seed s and clip c."""

    clips: Sequence[MeasuredClip]
    scores: Sequence[Sequence[MouthScore]]

    @property
    def people(self) -> list[str]:
        """Return the people in their order."""
        return list(dict.fromkeys(clip.person for clip in self.clips))

    def of_people(
        self, value: Callable[[MouthScore], float], *, total: bool = False
    ) -> Float[np.ndarray, "people seeds"]:
        """Return the mean (by seconds) or total of a value over the clips of each person."""
        values = np.array([[value(score) for score in seed] for seed in self.scores], np.float64)
        seconds = np.array([clip.seconds for clip in self.clips])
        columns = []
        for person in self.people:
            mine = np.array([clip.person == person for clip in self.clips])
            columns.append(
                values[:, mine].sum(axis=1)
                if total
                else np.average(values[:, mine], axis=1, weights=seconds[mine])
            )
        return np.array(columns)

    def by_seconds(self, value: Callable[[MouthScore], float]) -> float:
        """Return the mean of a value over seeds and clips, weighted by seconds alone."""
        values = np.array([[value(score) for score in seed] for seed in self.scores])
        seconds = [clip.seconds for clip in self.clips]
        return float(np.average(values.mean(axis=0), weights=seconds))


def score_openings(seeds: Sequence[Openings], clips: Sequence[MeasuredClip]) -> Scored:
    """Return the scores of openings predicted for the whole sound of every clip, per seed."""
    scores = [
        [mouth_score(opening, clip) for opening, clip in zip(openings, clips, strict=True)]
        for openings in seeds
    ]
    return Scored(clips, scores)


def chance_correlations(
    openings: Openings, clips: Sequence[MeasuredClip]
) -> Float[np.ndarray, "people 1"]:
    """Return per person the mean best-lag correlation of predictions for clips of other people,
    repeated or cut to the length; clips are drawn evenly from all others.
    """
    people = list(dict.fromkeys(clip.person for clip in clips))
    found: dict[str, list[float]] = {person: [] for person in people}
    for clip in clips:
        others = [i for i, other in enumerate(clips) if other.person != clip.person]
        picks = np.linspace(0, len(others) - 1, min(CHANCE_DRAWS, len(others))).round().astype(int)
        for pick in picks:
            opening = np.resize(openings[others[pick]], len(clip.opening))
            found[clip.person].append(lagged_correlation(opening, clip.opening)[0])
    return np.array([[np.mean(found[person] or [np.nan])] for person in people])


def correlation_interval(scored: Scored) -> Interval:
    """Return the interval of the correlation at the best lag."""
    found = crossed_interval(scored.of_people(lambda score: score.correlation))
    return found._replace(low=max(found.low, -1.0), high=min(found.high, 1.0))


def difference_interval(scored: Scored, other: Scored) -> Interval:
    """Return the interval of the correlation minus that of a predictor without seeds, paired by
    person.
    """
    mine, theirs = (each.of_people(lambda score: score.correlation) for each in (scored, other))
    return crossed_interval(mine - theirs.mean(axis=1, keepdims=True))


def closure_interval(scored: Scored) -> Interval:
    """Return the share of /p b m/ with closed lips; NaN without phone times."""
    return _share(_ratio(scored, lambda score: score.closed, lambda score: score.bilabials))


def precision_interval(scored: Scored) -> Interval:
    """Return the share of predicted closed frames near a closed frame of the real lips; NaN if
    none is closed.
    """
    found = _ratio(scored, lambda score: score.right_frames, lambda score: score.closed_frames)
    return _share(found)


def real_closure_interval(scored: Scored) -> Interval:
    """Return the share of /p b m/ in which the real lips close, at the offset of each clip that
    `scored`, of one seed, has found.
    """
    closed, intervals = {}, {}
    for clip, score in zip(scored.clips, scored.scores[0], strict=True):
        shut, count = real_closures(clip, offset=int(score.lag))
        closed[clip.person] = closed.get(clip.person, 0) + shut
        intervals[clip.person] = intervals.get(clip.person, 0) + count
    counts = (np.array(list(each.values())) for each in (closed, intervals))
    return _share(_ratio_of(*counts))


def movement_ratio(scored: Scored, name: str) -> Interval:
    """Return a figure of `Movement` over that of the real mouths."""
    real = [movement(clip.opening) for clip in scored.clips]
    truth = Scored(scored.clips, [[_of_movement(each) for each in real]])
    return _ratio_of(
        *(
            each.of_people(lambda score: getattr(score.movement, name)).mean(axis=1)
            for each in (scored, truth)
        )
    )


def movements(scored: Scored) -> Movement:
    """Return the mean over people of every figure of `Movement`."""
    values = [
        scored.of_people(lambda score, name=name: getattr(score.movement, name)).mean()
        for name in MOVEMENTS
    ]
    return Movement(*map(float, values))


def real_movements(clips: Sequence[MeasuredClip]) -> Movement:
    """Return the same of the real mouths."""
    real = [[_of_movement(movement(clip.opening)) for clip in clips]]
    return movements(Scored(clips, real))


def lags_from(scored: Scored, reference: Scored) -> Float[np.ndarray, "n"]:
    """Return the lag of every clip and seed minus the lag of a predictor without seeds."""
    own = np.array([[score.lag for score in seed] for seed in scored.scores])
    return (own - [score.lag for score in reference.scores[0]]).ravel()


def _of_movement(moving: Movement) -> MouthScore:
    nothing = float("nan")
    return MouthScore(*[nothing] * 7, movement=moving)


def _ratio(scored: Scored, part: Callable, whole: Callable) -> Interval:
    parts, wholes = (scored.of_people(each, total=True).mean(axis=1) for each in (part, whole))
    return _ratio_of(parts, wholes)


def _ratio_of(parts: np.ndarray, wholes: np.ndarray) -> Interval:
    counted = np.isfinite(parts) & np.isfinite(wholes) & (wholes > 0)
    if not counted.any():
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    return ratio_interval(parts[counted], wholes[counted])


def _share(ratio: Interval) -> Interval:
    """Return the interval of a ratio from 0 to 1, its bounds cut there."""
    return ratio._replace(low=max(ratio.low, 0.0), high=min(ratio.high, 1.0))
