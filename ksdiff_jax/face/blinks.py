"""Blinks that close, as a change of expression coefficients of the built-in head.

A sampled blink often stops half way: where the model is unsure of the frame, its lids are a mean
over the frames. Let b(t) be the action weight EyeBlink of one eye. A blink is a run of b > `FROM`
whose peak p is at least `LEAST`. If p < 1, its weights become

    b + (1 − p) · s((b − FROM) / (`FULL` · p − FROM)),      s the smooth step from 0 to 1

so that its peak reaches 1, where the lids meet, and its ends do not move. EyeWide, which would hold
closed lids apart by a quarter of the open eye, is limited to 1 − b; the built-in corpus keeps the
same limit. A blink that closes on its own, and every other frame, stays as it is.
"""

import numpy as np

from ksdiff_jax.face.actions import (
    ACTIONS,
    actions_to_expression_matrix,
    expression_to_actions,
)
from ksdiff_jax.face.head.parts import smoothstep
from ksdiff_jax.typing import Float

FROM = 0.1
LEAST = 0.25  # a lower peak is a drooping lid, not a blink
FULL = 0.85  # share of the peak at which the smooth step ends
_ROUNDING = 1e-4
_BLOCK_FRAMES = 65_536  # 44 minutes
_SIDES = ("Left", "Right")


def with_closed_blinks(expression: Float[np.ndarray, "t e"]) -> Float[np.ndarray, "t e"]:
    """Return the coefficients of t frames with every blink closed."""
    used = [ACTIONS.index(f"Eye{name}{side}") for side in _SIDES for name in ("Blink", "Wide")]
    weights = _weights(expression, used)
    change = np.zeros_like(weights)
    for blink in (0, 2):
        wide = blink + 1
        peak = _peaks(weights[:, blink])
        shut = _closed(weights[:, blink], peak)
        apart = np.where(peak > 0, weights[:, wide] - np.maximum(1 - shut, 0), 0)
        change[:, blink] = shut - weights[:, blink]
        change[:, wide] = -np.where(apart > _ROUNDING, apart, 0)
    moved = np.any(change != 0, axis=1)
    of_all = np.zeros((np.count_nonzero(moved), len(ACTIONS)))
    of_all[:, used] = change[moved]
    result = expression.copy()
    result[moved] += (of_all @ actions_to_expression_matrix()).astype(expression.dtype)
    return result


def _weights(expression: Float[np.ndarray, "t e"], used: list[int]) -> Float[np.ndarray, "t k"]:
    """Return these action weights, in float64. Hours are computed in blocks; the last block is as
    long as half of one at least.
    """
    starts = [*range(0, max(1, len(expression) - _BLOCK_FRAMES // 2), _BLOCK_FRAMES)]
    blocks = [expression[at:end] for at, end in zip(starts, [*starts[1:], None], strict=True)]
    return np.concatenate(
        [expression_to_actions(block.astype(np.float64))[:, used] for block in blocks]
    )


def _peaks(blink: Float[np.ndarray, "t"]) -> Float[np.ndarray, "t"]:
    """Return for each frame the highest weight of its blink, and 0 outside blinks."""
    above = blink > FROM
    starts = np.diff(above.astype(int), prepend=0) > 0
    run = np.cumsum(starts) * above
    peaks = np.zeros(run.max(initial=0) + 1)
    np.maximum.at(peaks, run, np.where(above, blink, 0))
    return np.where(peaks >= LEAST, peaks, 0)[run]


def _closed(blink: Float[np.ndarray, "t"], peak: Float[np.ndarray, "t"]) -> Float[np.ndarray, "t"]:
    """Return the weights with each peak below 1 raised to 1."""
    low = (peak > 0) & (peak < 1 - _ROUNDING)
    rising = smoothstep((blink - FROM) / np.where(low, FULL * peak - FROM, 1))
    return np.where(low, np.minimum(blink + (1 - peak) * rising, 1), blink)
