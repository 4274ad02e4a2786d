"""Tests whether the choice of dimensions depends on the clips: it is made on two random halves of
the clips separately, and the Jaccard index

    J_r = |A_r ∩ B_r| / |A_r ∪ B_r|

of the two choices A and B is 1 if they are the same. The result is its mean over many random
splits, and a range that contains 95 % of them.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ksdiff_jax.data.regions.select import Statistic, choose_dimensions
from ksdiff_jax.data.regions.tally import PairTally
from ksdiff_jax.errors import InputError

SPLITS = 50


class Agreement(NamedTuple):
    """Jaccard index of a region over random splits."""

    mean: float
    low: float  # 2.5th percentile of the splits
    high: float  # 97.5th


def halves_agree(
    tally: PairTally,
    sizes: Mapping[str, int],
    *,
    statistic: Statistic,
    splits: int = SPLITS,
    seed: int = 0,
) -> dict[str, Agreement]:
    """Return the agreement per region; NaN for a single clip, and for a region that does not move
    in one of the halves.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, list[float]] = {region: [] for region in tally.peak}
    for _ in range(splits):
        order = rng.permutation(tally.clips)
        halves = [
            _choice(tally.part(np.sort(half)), sizes, statistic)
            for half in np.array_split(order, 2)
            if len(half)
        ]
        for region, values in found.items():
            whole = len(halves) == 2 and all(halves)
            values.append(jaccard(*(half[region] for half in halves)) if whole else np.nan)
    return {
        region: Agreement(float(np.mean(values)), *np.percentile(values, [2.5, 97.5]).tolist())
        for region, values in found.items()
    }


def jaccard(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """Return the number of shared elements over that of all elements of two choices."""
    return len({*a} & {*b}) / len({*a} | {*b})


def _choice(tally: PairTally, sizes, statistic: Statistic) -> dict[str, tuple[int, ...]]:
    """Return the dimensions chosen from these clips; {} if a region does not move in them."""
    try:
        return choose_dimensions(tally.ratios(statistic), sizes)
    except InputError:
        return {}
