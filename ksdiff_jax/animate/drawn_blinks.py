"""Blinks drawn from the law of the built-in corpus, in place of those that a model sampled.

The blinks of the corpus are random and independent of the speech
(`data/corpus/expression_motion.py`), so nothing about them can be learned from a recording but
their law, and a small model misses that: its blinks are fewer than those of its data, or where real
faces were among them its lids stop half way. Drawing from the law itself gives 0.28 to 0.45 blinks
a second which close.

The blinks depend on the key of a sample and on time alone: those of the beginning of a recording
are the beginning of those of the whole. Only the two coefficients of the blinks change.
"""

from collections.abc import Iterator

import jax
import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.data.corpus.expression_motion import blink_onsets_s, eyelid_closure
from ksdiff_jax.face.actions import ACTIONS, GROUPS, actions_to_expression, coefficients_of
from ksdiff_jax.rng import stream
from ksdiff_jax.typing import Array, Float, Key

_LONGEST_S = 2.0  # a blink has ended by then
_BLOCK_FRAMES = 1500  # a minute: time and memory are linear in the length


def with_drawn_blinks(
    expression: Float[np.ndarray, "t e"], key: Key[Array, ""]
) -> Float[np.ndarray, "t e"]:
    """Return the coefficients of t frames at 25 Hz with the blinks of this key."""
    blinks, result = DrawnBlinks(key), expression.copy()
    for first in range(0, len(expression), _BLOCK_FRAMES):
        block = slice(first, first + _BLOCK_FRAMES)
        result[block] = blinks.drawn(expression[block], first=first)
    return result


class DrawnBlinks:
    """The blinks of a key, for the frames of a stream in their order."""

    def __init__(self, key: Key[Array, ""]):
        rng = np.random.default_rng(np.asarray(jax.random.key_data(stream(key, "blinks"))))
        self._following: Iterator[float] = blink_onsets_s(rng)
        self._onsets_s = [next(self._following)]  # the last one is after all frames so far

    def drawn(self, expression: Float[np.ndarray, "t e"], *, first: int) -> np.ndarray:
        """Return the coefficients of t frames from frame `first` on with their blinks; `first` does
        not decrease from call to call.
        """
        times_s = np.arange(first, first + len(expression)) / MOTION_RATE_HZ
        while self._onsets_s[-1] <= times_s[-1]:
            self._onsets_s.append(next(self._following))
        self._onsets_s = [s for s in self._onsets_s if s > times_s[0] - _LONGEST_S]
        weights = np.zeros((len(expression), len(ACTIONS)))
        closure = eyelid_closure(times_s, np.array(self._onsets_s))
        weights[:, [ACTIONS.index(name) for name in GROUPS["blink"]]] = closure[:, None]
        blinks, result = list(coefficients_of("blink")), expression.copy()
        result[:, blinks] = actions_to_expression(weights)[:, blinks]
        return result
