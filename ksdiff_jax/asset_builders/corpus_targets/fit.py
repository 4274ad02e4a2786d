"""The fit: targets whose mouth on the built-in face follows the measured openings.

    minimise  Σ_frames w (g_s F(t) + c_s − measured(t))² / σ_s²  +  λ |θ|²

F is the opening of the built-in face by the articulation model (the measure of the real clips), θ
are the parameters in prior standard deviations. Each speaker s has a gain g_s, by least squares,
and a closed mouth: c_s sets the 5th percentile of g_s F to that of the measurement. σ_s is the
standard deviation of the measurement, and each clip is aligned by its own lag. w counts a fifth of
the frames as independent, with half of the variance unexplained. The minimum is found by
Gauss-Newton steps with finite differences.

Least squares flatten what they cannot predict, so the scale is not fitted: `widened` gives the
openings of the table the mean standard deviation that the phonetic one has on the same clips.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.asset_builders.corpus_targets.filmed import FilmedMouth
from ksdiff_jax.asset_builders.corpus_targets.parameters import (
    Parameter,
    changed,
    parameters,
    widened,
    with_other_vowels,
)
from ksdiff_jax.data.corpus import phonemes as ph
from ksdiff_jax.data.corpus.articulation import articulator_track, mouth_of_tracks
from ksdiff_jax.data.corpus.targets import PHONETIC, Targets
from ksdiff_jax.evaluate.mouth_scores import at_lag, lagged_correlation
from ksdiff_jax.evaluate.real_people import openings_of
from ksdiff_jax.face.actions import actions_to_expression
from ksdiff_jax.motion import space
from ksdiff_jax.typing import Float

INDEPENDENT_SHARE, UNEXPLAINED = 0.2, 0.5
STEPS, DIFFERENCE, FURTHEST = 6, 0.05, 4.0
DAMPINGS = (0.0, 0.3, 3.0, 30.0)
ENOUGH = 0.002  # the share of the objective that a step must gain
CLOSED_PERCENTILE = 5
WIDENINGS = 6
_ARTICULATORS = range(len(ph.ARTICULATORS))

Tracks = list[Float[np.ndarray, "_ n"]]
Openings = list[Float[np.ndarray, "_"]]


class Tracked(NamedTuple):
    """A table and its tracks, from which those of a similar table are found faster."""

    targets: Targets
    tracks: Tracks


def tracked(
    mouths: Sequence[FilmedMouth], targets: Targets, near: Tracked | None = None
) -> Tracked:
    """Return the tracks of all articulators; those that `near` has alike are taken from it."""
    alike = [
        near is not None and _column(targets, a) == _column(near.targets, a) for a in _ARTICULATORS
    ]
    tracks = [
        np.stack(
            [
                near.tracks[k][:, a] if alike[a] else articulator_track(a, mouth.parts, targets)
                for a in _ARTICULATORS
            ],
            axis=1,
        )
        for k, mouth in enumerate(mouths)
    ]
    return Tracked(targets, tracks)


def _column(targets: Targets, articulator: int):
    own = {symbol: of.get(articulator) for symbol, of in targets.of_symbol.items()}
    return own, targets.rates[articulator]


def openings(tracks: Tracks) -> Openings:
    """Return the openings of the built-in face over face height, as real ones are measured."""
    moved = [mouth_of_tracks(each) for each in tracks]
    motion = np.zeros((sum(map(len, tracks)), space.MOTION_DIMS), np.float32)
    actions = np.concatenate([each.actions for each in moved])
    motion[:, space.EXPRESSION] = actions_to_expression(actions)
    motion[:, space.JAW] = np.concatenate([each.jaw for each in moved])
    edges = np.cumsum([len(each) for each in tracks])[:-1]
    return np.split(openings_of([motion])[0], edges)


def openings_by(mouths: Sequence[FilmedMouth], targets: Targets) -> Openings:
    """Return the openings of clips by a table."""
    return openings(tracked(mouths, targets).tracks)


class Aligned(NamedTuple):
    """Predicted and measured frames of a speaker's clips, one after the other."""

    predicted: Float[np.ndarray, "t"]
    measured: Float[np.ndarray, "t"]

    @property
    def moving(self) -> Float[np.ndarray, "t"]:
        """Return the prediction less its closed mouth."""
        return self.predicted - np.percentile(self.predicted, CLOSED_PERCENTILE)

    def residual(self) -> Float[np.ndarray, "t"]:
        """Return the weighted difference at the best gain."""
        goal = self.measured - np.percentile(self.measured, CLOSED_PERCENTILE)
        moving = self.moving
        gain = moving @ goal / max(moving @ moving, 1e-12)
        weight = np.sqrt(INDEPENDENT_SHARE / UNEXPLAINED) / max(float(np.std(goal)), 1e-6)
        return (gain * moving - goal) * weight


def lags_of(mouths: Sequence[FilmedMouth], predicted: Openings) -> list[int]:
    """Return the lag of each clip."""
    return [
        lagged_correlation(each[mouth.clip.first_frame :], mouth.clip.opening)[1]
        for mouth, each in zip(mouths, predicted, strict=True)
    ]


def by_speaker(
    mouths: Sequence[FilmedMouth], predicted: Openings, lags: Sequence[int]
) -> list[Aligned]:
    """Return the aligned frames of each speaker."""
    pairs: dict[str, list] = {}
    for mouth, each, lag in zip(mouths, predicted, lags, strict=True):
        own = at_lag(each[mouth.clip.first_frame :], mouth.clip.opening, lag)
        pairs.setdefault(mouth.clip.person, []).append(own)
    return [Aligned(*map(np.concatenate, zip(*own, strict=True))) for own in pairs.values()]


def symbols_of(mouths: Sequence[FilmedMouth]) -> set[str]:
    """Return the IPA symbols that occur."""
    return {segment.symbol for mouth in mouths for segment in mouth.parts.segments}


def fitted_targets(
    mouths: Sequence[FilmedMouth],
    *,
    prior: float = 1.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Targets:
    """Return the table that fits the clips; `prior` is the λ of the phonetic table."""
    symbols = symbols_of(mouths)
    named = parameters(symbols)
    theta = _minimum(mouths, named, prior=prior, progress=progress)
    found = with_other_vowels(changed(named, theta), symbols)
    want, factor = _mean_spread(mouths, PHONETIC), 1.0
    for _ in range(WIDENINGS):
        factor *= want / _mean_spread(mouths, widened(found, factor))
    return widened(found, factor)


def _mean_spread(mouths: Sequence[FilmedMouth], targets: Targets) -> float:
    return float(np.mean([np.std(each) for each in openings_by(mouths, targets)]))


def _minimum(mouths, named: Sequence[Parameter], *, prior: float, progress):
    theta = np.zeros(len(named))
    near = tracked(mouths, PHONETIC)
    predicted = openings(near.tracks)
    lags = lags_of(mouths, predicted)

    def residual_of(each: Openings, shifts: Sequence[int]):
        return np.concatenate([a.residual() for a in by_speaker(mouths, each, shifts)])

    for step in range(STEPS):
        speakers = by_speaker(mouths, predicted, lags)
        residual = residual_of(predicted, lags)
        jacobian = np.zeros((len(residual), len(named)))
        for k in range(len(named)):
            moved = theta + DIFFERENCE * (np.arange(len(named)) == k)
            tracks = tracked(mouths, changed(named, moved), near).tracks
            jacobian[:, k] = (residual_of(openings(tracks), lags) - residual) / DIFFERENCE
        jacobian = _without_gain(jacobian, speakers)
        cost = residual @ residual + prior * theta @ theta
        best = None
        for damping in DAMPINGS:
            moved = _step(theta, jacobian, residual, prior=prior, damping=damping)
            near_moved = tracked(mouths, changed(named, moved), near)
            shown = openings(near_moved.tracks)
            shifts = lags_of(mouths, shown)
            found = residual_of(shown, shifts)
            if found @ found + prior * moved @ moved < cost:
                best = found @ found + prior * moved @ moved
                theta, near, predicted, lags = moved, near_moved, shown, shifts
                break
        progress(step + 1, STEPS)
        if best is None or cost - best < ENOUGH * cost:
            break
    return theta


def _without_gain(jacobian, speakers: Sequence[Aligned]):
    """Return the Jacobian less its part along each speaker's gain, which every step fits anew."""
    rows = np.split(jacobian, np.cumsum([len(each.predicted) for each in speakers])[:-1])
    free = []
    for own, speaker in zip(rows, speakers, strict=True):
        along = speaker.moving / max(float(np.linalg.norm(speaker.moving)), 1e-12)
        free.append(own - np.outer(along, along @ own))
    return np.concatenate(free)


def _step(theta, jacobian, residual, *, prior: float, damping: float):
    """Return θ after a damped Gauss-Newton step."""
    curvature = jacobian.T @ jacobian + prior * np.eye(len(theta))
    curvature += damping * np.diag(np.diag(curvature))
    slope = jacobian.T @ residual + prior * theta
    return np.clip(theta - np.linalg.solve(curvature, slope), -FURTHEST, FURTHEST)
