"""The built-in corpus with its lip or lid actions exactly at rest.

Its motion consists of named actions w with expression = w M (face/actions.py), and M is invertible:
the weights are recovered from the coefficients, those of the region are set to 0, and the
coefficients are computed again. The jaw belongs to the lips. The difference is exactly the
contribution of the region's actions; random brows and blinks are not drawn again.
"""

import dataclasses

import numpy as np

from ksdiff_jax.data.corpus.synthesis import SOURCE
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.face.actions import (
    ACTIONS,
    GROUPS,
    actions_to_expression,
    expression_to_actions,
)

LIP_ACTIONS = GROUPS["mouth"]
LID_ACTIONS = (*GROUPS["blink"], *GROUPS["lids"])


def is_of_corpus(clip: Clip) -> bool:
    """Return whether the clip's motion was generated from actions by the built-in corpus."""
    return clip.source == SOURCE


def lips_at_rest(clip: Clip) -> Clip:
    """Return the clip with all actions of the mouth at 0 and the jaw closed."""
    return dataclasses.replace(_without(clip, LIP_ACTIONS), jaw=np.zeros_like(clip.jaw))


def lids_at_rest(clip: Clip) -> Clip:
    """Return the clip with all actions of the lids at 0: eyes open, no blinks."""
    return _without(clip, LID_ACTIONS)


def _without(clip: Clip, actions: tuple[str, ...]) -> Clip:
    weights = expression_to_actions(clip.expression.astype(np.float64))
    weights[:, [ACTIONS.index(name) for name in actions]] = 0.0
    return dataclasses.replace(clip, expression=actions_to_expression(weights).astype(np.float32))
