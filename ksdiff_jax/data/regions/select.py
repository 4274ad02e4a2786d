"""The dimensions of a region, by DisentTalk's Eq. 1 and 2.

For a region r in {lip, eye} and a number k of the expression E, with Δ_k(t) the difference between
a motion and the same motion with r neutralised, and σ_k the standard deviation of k over all
frames,

    ratio_r,k = max_t |Δ_k(t)| / σ_k      or      mean_t |Δ_k(t)| / σ_k
    D_r       = the K_r numbers of largest ratio_r
    D_global  = the others

Eq. 1 has |Δ| / σ and §IV "the maximum temporal variation over the standard deviation"; `statistic`
chooses, the maximum by default (R). A number that is among the first of both regions belongs to the
one where its ratio is larger, and the other region takes its next. Of equal ratios that of the lips
goes first, then the lower number.

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
REGIONS = ("lip", "eye")  # D_global is what they leave
LIP_DIMS, EYE_DIMS = 13, 8  # K_lip and K_eye of the paper
# A number that a neutralised region moves by less than this share of its deviation does not move
# with it: what is left is rounding.
STILL_RATIO = 1e-3


def region_ratios(
    change: Float[np.ndarray, "k"], std: Float[np.ndarray, "k"]
) -> Float[np.ndarray, "k"]:
    """|Δ| / σ per number; a σ below the floor of the motion spaces counts as the floor."""
    return np.abs(change) / np.maximum(std, STD_FLOOR)


def choose_dimensions(
    ratios: Mapping[str, Float[np.ndarray, "k"]], sizes: Mapping[str, int]
) -> dict[str, tuple[int, ...]]:
    """D_r per region of `ratios`, at most `sizes[r]` numbers each, the largest ratio first.

    Numbers that do not move with a region are not taken, so a region may be smaller than asked for.
    Raises `InputError` for a region of no size, for sizes larger than the space, and for a region
    with which nothing moves.
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
    # Down the ratios of all regions together, a contested number meets its larger ratio first.
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
    """D_global: the numbers of E that are in no region."""
    taken = {number for numbers in chosen.values() for number in numbers}
    return tuple(number for number in range(width) if number not in taken)


def check_sizes(sizes: Mapping[str, int], width: int) -> None:
    """Raise `InputError` for a region of no size, and for more dimensions than the space has."""
    for region, size in sizes.items():
        if size < 1:
            raise InputError(f"region {region}: {size} dimensions asked for, need 1 or more")
    if (wanted := sum(sizes.values())) > width:
        asked = " and ".join(f"{size} for {region}" for region, size in sizes.items())
        raise InputError(
            f"regions: {asked} are {wanted} dimensions, the motion space has {width}; ask for fewer"
        )
