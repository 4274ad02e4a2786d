"""What a system that learns motion from speech trains on."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import Array, Float


class Batch(NamedTuple):
    """One batch: speech and the motion that goes with it (raw coefficients, motion/space.py).

    A row of it, as `System.example` returns it, has the same fields without the first axis.
    """

    speech: Speech
    motion: Float[Array, "b t m"]


def collate(rows: Sequence[Batch]) -> Batch:
    """Rows of one length as a batch; rows of any system's own type too."""
    return jax.tree.map(lambda *arrays: np.stack(arrays), *rows)
