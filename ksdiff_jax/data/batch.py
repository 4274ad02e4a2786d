"""The training batch of a system that generates motion from speech."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import Array, Bool, Float, Int, PyTree


class Batch(NamedTuple):
    """One batch: speech and its motion (raw coefficients, motion/space.py).

    A row of it, as `System.example` returns it, has the same fields without the first axis. The
    last two are None in a run that has no styles or does not weight the head.
    """

    speech: Speech
    motion: Float[Array, "b t m"]
    # keyframes of expression and head, thresholded over whole clips; None: computed from `motion`
    keyframes: Bool[Array, "b t 2"] | None = None
    style: Int[Array, "b"] | None = None  # models/ksdiff/style.py; 0 is unknown
    head_weight: Float[Array, "b"] | None = None  # factor of the losses of the head


def collate(rows: Sequence[PyTree]) -> PyTree:
    """Return rows of one length as a batch, a `Batch` or a system's own type."""
    return jax.tree.map(lambda *arrays: np.stack(arrays), *rows)
