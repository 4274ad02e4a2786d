"""The dimensions of a region, by DisentTalk's Eq. 1 and 2.

For a region r in {lip, eye} and a number k of the expression E, with Δ_k(t) the difference between
a motion and the same motion with r neutralised, and σ_k the standard deviation of k over all
frames,

    ratio_r,k = max_t |Δ_k(t)| / σ_k      or      mean_t |Δ_k(t)| / σ_k
    D_r       = the K_r numbers of largest ratio_r
    D_global  = the others

Eq. 1 has |Δ| / σ and §IV "the maximum temporal variation over the standard deviation"; `statistic`
selects one, the maximum by default (R). A number among the first of both regions belongs to the one
with the larger ratio, and the other region takes its next number. Of equal ratios that of the lips
has priority, then the lower number.

E is `motion.space.expression_columns` of a motion frame: expression and jaw (53 numbers) in the
spaces `builtin` and `flame`, where the jaw is a candidate for the lips (R), and the 64 expression
numbers in `bfm`. Dimensions are counted from 0 in E.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.space import STD_FLOOR
from ksdiff_jax.typing import Float

Statistic = Literal["max", "mean"]
REGIONS = ("lip", "eye")  # D_global contains the remaining numbers
LIP_DIMS, EYE_DIMS = 13, 8  # K_lip and K_eye of the paper
# A number that changes with a region by less than this fraction of its standard deviation does not
# move with it: such a change is rounding.
STILL_RATIO = 1e-3


def region_ratios(
    change: Float[np.ndarray, "k"], std: Float[np.ndarray, "k"]
) -> Float[np.ndarray, "k"]:
    """Return |Δ| / σ per number; the floor of the motion spaces replaces a smaller σ."""
    return np.abs(change) / np.maximum(std, STD_FLOOR)


def choose_dimensions(
    ratios: Mapping[str, Float[np.ndarray, "k"]], sizes: Mapping[str, int]
) -> dict[str, tuple[int, ...]]:
    """Return D_r per region of `ratios`, at most `sizes[r]` numbers each, the largest ratio first.

    Numbers that do not move with a region are not chosen, so a region may be smaller than
    requested. Raise `InputError` for a region of size 0, for sizes larger than the space, and for a
    region with which nothing moves.
    """
    check_sizes(sizes, len(next(iter(ratios.values()))))
    candidates = [
        (-float(ratio), order, number, region)
        for order, (region, values) in enumerate(ratios.items())
        for number, ratio in enumerate(values)
        if ratio >= STILL_RATIO
    ]
    chosen: dict[str, list[int]] = {region: [] for region in ratios}
    taken: set[int] = set()
    # All regions are sorted together, so a number of both regions gets its larger ratio first.
    for _, _, number, region in sorted(candidates):
        if number not in taken and len(chosen[region]) < sizes[region]:
            chosen[region].append(number)
            taken.add(number)
    for region, numbers in chosen.items():
        if not numbers:
            raise InputError(
                f"region {region}: no dimension of the motion changes where it is neutralised; "
                f"need clips in which the {region} moves, or neutralised ones that differ"
            )
    return {region: tuple(numbers) for region, numbers in chosen.items()}


def global_dimensions(chosen: Mapping[str, tuple[int, ...]], width: int) -> tuple[int, ...]:
    """Return D_global: the numbers of E that are in no region."""
    taken = {number for numbers in chosen.values() for number in numbers}
    return tuple(number for number in range(width) if number not in taken)


def check_sizes(sizes: Mapping[str, int], width: int) -> None:
    """Raise `InputError` for a region of size 0, and for more dimensions than the space has."""
    for region, size in sizes.items():
        if size < 1:
            raise InputError(f"region {region}: got {size} dimensions, need 1 or more")
    if (wanted := sum(sizes.values())) > width:
        asked = " and ".join(f"{size} for {region}" for region, size in sizes.items())
        raise InputError(
            f"regions: {asked} are {wanted} dimensions, the motion space has {width}; request fewer"
        )
