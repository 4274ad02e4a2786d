"""Statistics of pairs of motions, clip by clip, so that any subset of the clips can be evaluated
without reading them again.

For n clips and the k numbers of E: frames, sum and sum of squares of the original determine σ; the
maximum and the sum of |Δ| of each region determine its ratios (`select`).
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from ksdiff_jax.data.regions.select import Statistic, region_ratios
from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import Float, Int


class PairTally(NamedTuple):
    """Statistics of n clips; `peak` and `total` are by region."""

    frames: Float[np.ndarray, "n"]
    sums: Float[np.ndarray, "n k"]
    squares: Float[np.ndarray, "n k"]
    peak: dict[str, Float[np.ndarray, "n k"]]  # max_t |Δ|
    total: dict[str, Float[np.ndarray, "n k"]]  # Σ_t |Δ|

    @property
    def clips(self) -> int:
        return len(self.frames)

    def part(self, rows: Int[np.ndarray, "_"]) -> "PairTally":
        """Return the statistics of some of the clips."""
        return PairTally(
            *(values[rows] for values in (self.frames, self.sums, self.squares)),
            *(
                {region: values[rows] for region, values in by_region.items()}
                for by_region in (self.peak, self.total)
            ),
        )

    def mean(self) -> Float[np.ndarray, "k"]:
        """Return the mean of each number over all frames."""
        return self.sums.sum(axis=0) / self.frames.sum()

    def std(self) -> Float[np.ndarray, "k"]:
        """Return σ of each number over all frames."""
        power = self.squares.sum(axis=0) / self.frames.sum()
        return np.sqrt(np.maximum(power - self.mean() ** 2, 0.0))

    def ratios(self, statistic: Statistic) -> dict[str, Float[np.ndarray, "k"]]:
        """Return the ratio per region and number (Eq. 1)."""
        changes = {
            "max": lambda region: self.peak[region].max(axis=0),
            "mean": lambda region: self.total[region].sum(axis=0) / self.frames.sum(),
        }
        return {
            region: region_ratios(changes[statistic](region), self.std()) for region in self.peak
        }


def tally_pairs(
    pairs: Iterable[tuple[Float[np.ndarray, "_ k"], Mapping[str, Float[np.ndarray, "_ k"]]]],
) -> PairTally:
    """Return the statistics of (E of a clip, its Δ by region), clip by clip; raise `InputError` if
    there are no clips.
    """
    rows = [_row(motion.astype(np.float64), changes) for motion, changes in pairs]
    if not rows:
        raise InputError("regions: got no clips, need one or more")
    frames, sums, squares, peak, total = zip(*rows, strict=True)
    return PairTally(
        np.array(frames, np.float64),
        np.stack(sums),
        np.stack(squares),
        *(
            {region: np.stack([row[region] for row in counted]) for region in counted[0]}
            for counted in (peak, total)
        ),
    )


def _row(motion, changes):
    size = {region: np.abs(change.astype(np.float64)) for region, change in changes.items()}
    return (
        len(motion),
        motion.sum(axis=0),
        (motion**2).sum(axis=0),
        {region: values.max(axis=0) for region, values in size.items()},
        {region: values.sum(axis=0) for region, values in size.items()},
    )
