"""Masks of metrics: every metric of one clip takes `mask` (t,), true in the frames that count.

A metric of single frames (an error, a deviation, a correlation) leaves out the others. A metric of
steps (speed, jitter) uses the steps between frames that all count, so that a gap is never a step.
A metric of the whole course of time (beats, blinks, closures, spectrum, warping) cuts the clip to
the frames that count; there a mask should be that of a padded batch, with one run of true frames.
"""

from collections.abc import Sequence

import numpy as np

from ksdiff_jax.typing import Bool

Mask = Bool[np.ndarray, "t"] | None


def valid(mask: Mask, *series: np.ndarray) -> list[np.ndarray]:
    """Return each series (t, ...) at the frames of the mask; all frames if it is None."""
    return list(series) if mask is None else [each[mask] for each in series]


def valid_slices(mask: Mask, slices: Sequence[slice]) -> list[slice]:
    """Return the slices of a clip as slices of its frames of the mask, without those that have no
    frame there.
    """
    if mask is None:
        return list(slices)
    before = np.concatenate([[0], np.cumsum(mask)])
    cut = [slice(int(before[each.start]), int(before[each.stop])) for each in slices]
    return [each for each in cut if each.start < each.stop]


def valid_steps(mask: Mask, frames: int, *, order: int) -> Bool[np.ndarray, "s"]:
    """Return which differences of an order, of a series of t frames, use only frames of the mask;
    s = max(0, t − order).
    """
    steps = max(0, frames - order)
    if mask is None:
        return np.ones(steps, bool)
    return np.all([mask[k : k + steps] for k in range(order + 1)], axis=0)
