"""Keyframe precision, recall and F1 with a tolerance of two frames (KSDiff's KEL against its
targets).

Shares without unit. The paper predicts keyframes (§2.2) and reports no such figure; the tolerance
is ours.

A predicted keyframe hits a true one at most two frames (80 ms) away, and each is used once: the
matching is one-to-one and of maximum size. Counts add up over clips, so scores are pooled, not
averaged.

Two baseline predictors that do not use the speech put a score into context:

- random: the given number of keyframes in every clip, at frames drawn without replacement; averaged
  over seeds.
- fixed interval: a keyframe every n frames from a phase; n and phase are those that score best on
  the same split.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.evaluate.valid_frames import Mask
from ksdiff_jax.typing import Bool

TOLERANCE_FRAMES = 2


class KeyframeCounts(NamedTuple):
    """Matched, predicted and true keyframes; counts are added over clips."""

    hits: int
    predicted: int
    true: int

    @property
    def precision(self) -> float:
        return self.hits / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        return self.hits / self.true if self.true else 0.0

    @property
    def f1(self) -> float:
        """2PR / (P + R), which is twice the hits over all keyframes on both sides."""
        return 2 * self.hits / (self.predicted + self.true) if self.predicted + self.true else 0.0


def match_keyframes(
    predicted: Bool[np.ndarray, "t"],
    truth: Bool[np.ndarray, "t"],
    *,
    tolerance_frames: int = TOLERANCE_FRAMES,
    mask: Mask = None,
) -> KeyframeCounts:
    """Return the counts of one clip; keyframes at frames outside the mask are left out.

    Two sorted lists are matched from the left, which on a line is a maximum matching.
    """
    if mask is not None:
        predicted, truth = predicted & mask, truth & mask
    guesses, targets = np.flatnonzero(predicted), np.flatnonzero(truth)
    hits = i = j = 0
    while i < len(guesses) and j < len(targets):
        gap = guesses[i] - targets[j]
        if abs(gap) <= tolerance_frames:
            hits, i, j = hits + 1, i + 1, j + 1
        elif gap < 0:
            i += 1
        else:
            j += 1
    return KeyframeCounts(hits=hits, predicted=len(guesses), true=len(targets))


def pooled(counts: Sequence[KeyframeCounts]) -> KeyframeCounts:
    """Return the sum of the counts of several clips."""
    return (
        KeyframeCounts(*(int(sum(column)) for column in zip(*counts, strict=True)))
        if counts
        else KeyframeCounts(0, 0, 0)
    )


def random_keyframes_f1(
    truths: Sequence[Bool[np.ndarray, "_"]], rates: Sequence[float], *, seeds: int = 20
) -> float:
    """Return the mean pooled F1 over `seeds` draws of random keyframes; clip i has round(rates[i] ·
    its frames) of them.
    """
    scores = []
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        counts = []
        for truth, rate in zip(truths, rates, strict=True):
            guess = np.zeros(len(truth), bool)
            guess[
                random.choice(
                    len(truth), size=min(len(truth), round(rate * len(truth))), replace=False
                )
            ] = True
            counts.append(match_keyframes(guess, truth))
        scores.append(pooled(counts).f1)
    return float(np.mean(scores))


def fixed_interval_f1(
    truths: Sequence[Bool[np.ndarray, "_"]], *, intervals: Sequence[int] = range(4, 51, 2)
) -> float:
    """Return the pooled F1 of the best of all predictors "every n frames, from frame k", with the
    same n and k in all clips.
    """
    best = 0.0
    for interval in intervals:
        for phase in range(0, interval, 2):
            counts = []
            for truth in truths:
                guess = np.zeros(len(truth), bool)
                guess[phase::interval] = True
                counts.append(match_keyframes(guess, truth))
            best = max(best, pooled(counts).f1)
    return best
