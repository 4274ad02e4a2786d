"""Features of a long recording that are computed when they are read, part by part.

    rows = FeatureRows(width, parts, compute)   # compute(number) -> the rows of parts[number]
    rows[1000:3000]                             # an array; the last parts stay in memory

Three hours of a width of 384 at 50 Hz would be 830 MB. The windows of a recording read its features
in order, so each part is computed once for every sample of the motion.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from ksdiff_jax.typing import Float

_KEPT_PARTS = 3


class FeatureRows:
    """Rows (f, d) of float32 in parts, of which the last ones read are kept."""

    def __init__(
        self,
        width: int,
        parts: Sequence[slice],
        compute: Callable[[int], Float[np.ndarray, "n {width}"]],
    ):
        """`parts` cover the rows in order; `compute` returns the rows of a part by its number."""
        self.shape = (parts[-1].stop, width)
        self.parts, self._compute = parts, compute
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> Float[np.ndarray, "n d"]:
        """Return consecutive rows."""
        first, last, _ = rows.indices(len(self))
        found = np.empty((max(0, last - first), self.shape[1]), np.float32)
        for number, part in enumerate(self.parts):
            start, stop = max(first, part.start), min(last, part.stop)
            if start < stop:
                of_part = self._part(number)
                found[start - first : stop - first] = of_part[
                    start - part.start : stop - part.start
                ]
        return found

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """Return all rows."""
        return self[:].astype(dtype or np.float32, copy=False)

    def _part(self, number: int) -> Float[np.ndarray, "n d"]:
        if number not in self._kept:
            self._kept[number] = self._compute(number)
            if len(self._kept) > _KEPT_PARTS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(number)
        return self._kept[number]
