"""Blinks drawn from the law of the built-in corpus, in place of those that a model sampled.

The blinks of the corpus are random and independent of the speech
(`data/corpus/expression_motion.py`), so nothing about them can be learned from a recording but
their law, and a small model misses that: its blinks are fewer than those of its data, or where real
faces were among them its lids stop half way. Drawing from the law itself gives 0.28 to 0.45 blinks
a second which close.

The blinks depend on the key of a sample and on time alone: those of the beginning of a recording
are the beginning of those of the whole. Only the two coefficients of the blinks change.
"""

import jax
import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.data.corpus.expression_motion import blink_times_s, eyelid_closure
from ksdiff_jax.face.actions import ACTIONS, GROUPS, actions_to_expression, coefficients_of
from ksdiff_jax.rng import stream
from ksdiff_jax.typing import Array, Float, Key


def with_drawn_blinks(
    expression: Float[np.ndarray, "t e"], key: Key[Array, ""]
) -> Float[np.ndarray, "t e"]:
    """Return the coefficients of t frames at 25 Hz with the blinks of this key."""
    rng = np.random.default_rng(np.asarray(jax.random.key_data(stream(key, "blinks"))))
    times_s = np.arange(len(expression)) / MOTION_RATE_HZ
    weights = np.zeros((len(expression), len(ACTIONS)))
    closure = eyelid_closure(times_s, blink_times_s(rng, duration_s=len(times_s) / MOTION_RATE_HZ))
    weights[:, [ACTIONS.index(name) for name in GROUPS["blink"]]] = closure[:, None]
    blinks, result = list(coefficients_of("blink")), expression.copy()
    result[:, blinks] = actions_to_expression(weights)[:, blinks]
    return result
