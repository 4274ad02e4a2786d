"""The regions of a data set: all results that `ksdiff-jax regions` prints, draws and writes."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from ksdiff_jax.data.regions.agreement import SPLITS, Agreement, halves_agree
from ksdiff_jax.data.regions.changes import Neutral, changes_of, expression_of, pairs_of
from ksdiff_jax.data.regions.select import (
    REGIONS,
    Statistic,
    check_sizes,
    choose_dimensions,
    global_dimensions,
)
from ksdiff_jax.data.regions.tally import PairTally, tally_pairs
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.space import MotionSpace, expression_columns
from ksdiff_jax.typing import Float

SCHEMA = "ksdiff-regions/1"
GLOBAL = "global"


class FoundRegions(NamedTuple):
    """The dimensions of each region of E, and the statistics from which they were chosen."""

    space: MotionSpace
    statistic: Statistic
    regions: dict[str, tuple[int, ...]]  # lip, eye, global
    ratios: dict[str, Float[np.ndarray, "k"]]  # lip, eye
    agreement: dict[str, Agreement]
    tally: PairTally
    pairs: dict[str, dict[str, int]]  # clips by region and kind of pair (changes.py)

    @property
    def options(self) -> dict[str, str]:
        """Return fields of a DisentTalk configuration as command-line options."""
        chosen = {region: ",".join(map(str, self.regions[region])) for region in REGIONS}
        fields = chosen | {"space": self.space.name}
        return {f"--model.regions.{name}": value for name, value in fields.items()}


def find_regions(
    clips: Iterable[Clip],
    neutral: Neutral,
    *,
    space: MotionSpace,
    sizes: Mapping[str, int],
    statistic: Statistic,
    progress: Callable[[int], None] = lambda clips_done: None,
) -> FoundRegions:
    """Return the regions determined from the pairs of all `clips`; raise `InputError` if they
    cannot be chosen (`select`).
    """
    width = len(expression_columns(space))
    check_sizes(sizes, width)
    kinds: dict[str, Counter[str]] = {region: Counter() for region in REGIONS}

    def pairs():
        for done, clip in enumerate(clips, 1):
            yield expression_of(clip), changes_of(clip, neutral)
            for region, counts in kinds.items():
                counts[pairs_of(clip, region, neutral)] += 1
            progress(done)

    tally = tally_pairs(pairs())
    ratios = tally.ratios(statistic)
    chosen = choose_dimensions(ratios, sizes)
    rest = global_dimensions(chosen, width)
    if not rest:
        raise InputError(
            f"region {GLOBAL}: lip and eye take all {width} dimensions of the space; request fewer"
        )
    return FoundRegions(
        space=space,
        statistic=statistic,
        regions=chosen | {GLOBAL: rest},
        ratios=ratios,
        agreement=halves_agree(tally, sizes, statistic=statistic),
        tally=tally,
        pairs={region: dict(counts) for region, counts in kinds.items()},
    )


def dimension_names(space: MotionSpace) -> list[str]:
    """Return a name for each number of E: `expression 7`, `jaw x`."""
    parts = [(part, width) for part, width in space.parts for _ in range(width)]
    within = [k for _, width in space.parts for k in range(width)]
    columns = expression_columns(space).tolist()
    return [
        f"jaw {'xyz'[within[column]]}"
        if parts[column][0] == "jaw"
        else f"{parts[column][0]} {within[column]}"
        for column in columns
    ]


def as_json(found: FoundRegions, *, data: Mapping[str, object]) -> dict:
    """Return the content of regions.json; `data` describes the clips."""
    return {
        "schema": SCHEMA,
        "space": found.space.name,
        "dimensions": dimension_names(found.space),
        "statistic": found.statistic,
        "regions": {region: list(numbers) for region, numbers in found.regions.items()},
        "ratios": {region: values.tolist() for region, values in found.ratios.items()},
        "std": found.tally.std().tolist(),
        "options": found.options,
        "pairs": found.pairs,
        "agreement_of_halves": {
            region: agreement._asdict() | {"splits": SPLITS}
            for region, agreement in found.agreement.items()
            if np.isfinite(agreement.mean)
        },
        "data": {**data, "clips": found.tally.clips, "frames": int(found.tally.frames.sum())},
    }
