"""Mean opinion scores, paired differences and preferences, with intervals over participants and
clips.

For a criterion, x[s, p, c] is the mean of the scores that participant p gave to clip c of system s
(undefined if p did not rate it).

    opinion       mean over the defined x[s, p, c]
    difference    mean over the (p, c) of x[a, p, c] − x[b, p, c], where both are defined
    preference    share of these (p, c) with x[a] > x[b]; ties are counted apart

Participants and clips are both samples of more, and neither the scores of one participant nor those
of one clip are independent. The bootstrap therefore draws participants and clips, both with
replacement, and weights the cell (p, c) by the product of how often p and c were drawn (the
pigeonhole bootstrap, Owen 2007). It is conservative: where participant and clip do not matter, its
intervals are too wide. One participant or one clip does not show how others differ, so there are no
bounds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.evaluate.intervals import Interval
from ksdiff_jax.ratings.answers import Answers
from ksdiff_jax.ratings.page import Key
from ksdiff_jax.ratings.questions import CRITERIA
from ksdiff_jax.typing import Float

DRAWS = 4000


class Comparison(NamedTuple):
    """A system minus another, for a criterion; shares are of participants and clips."""

    system: str
    reference: str
    criterion: str
    difference: Interval
    preferred: Interval  # a tie counts half
    shares: tuple[float, float, float]  # preferred, tie, not preferred


def score_table(
    answers: Sequence[Answers], key: Key
) -> Float[np.ndarray, "systems criteria people clips"]:
    """Return x, NaN where it is not defined."""
    clips = sorted({item.clip for item in key.items.values()})
    shape = (len(key.systems), len(CRITERIA), len(answers), len(clips))
    total, count = np.zeros(shape), np.zeros(shape)
    for person, each in enumerate(answers):
        for trial in each.trials:
            for name, scores in trial.items():
                item = key.items[name]
                system, clip = key.systems.index(item.system), clips.index(item.clip)
                for place, criterion in enumerate(CRITERIA):
                    if criterion.name in scores:
                        total[system, place, person, clip] += scores[criterion.name]
                        count[system, place, person, clip] += 1
    with np.errstate(invalid="ignore"):
        return total / count


def pigeonhole_interval(
    values: Float[np.ndarray, "people clips"], *, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """Return the mean of the defined values with its 95 % interval over people and clips; its count
    is that of the values. Undefined for no value, without bounds for one person or clip.
    """
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    if not known.any():
        return Interval(np.nan, np.nan, np.nan, 0)
    mean = float(filled.sum() / known.sum())
    if min(known.any(axis=1).sum(), known.any(axis=0).sum()) < 2:
        return Interval(mean, -np.inf, np.inf, int(known.sum()))
    random = np.random.default_rng(seed)
    people, clips = (
        random.multinomial(n, np.full(n, 1 / n), size=draws).astype(float) for n in values.shape
    )
    total, weight = (
        np.einsum("dp,pc,dc->d", people, table.astype(float), clips, optimize=True)
        for table in (filled, known)
    )
    means = total[weight > 0] / weight[weight > 0]
    low, high = np.percentile(means, (2.5, 97.5))
    return Interval(mean, float(low), float(high), int(known.sum()))


def opinions(
    table: Float[np.ndarray, "systems criteria people clips"], key: Key
) -> dict[str, dict[str, Interval]]:
    """Return the mean opinion score of every system, by criterion."""
    return {
        system: {
            criterion.name: pigeonhole_interval(table[number, place])
            for place, criterion in enumerate(CRITERIA)
        }
        for number, system in enumerate(key.systems)
    }


def comparisons(
    table: Float[np.ndarray, "systems criteria people clips"], key: Key
) -> list[Comparison]:
    """Return every system after the first against the first one, by criterion."""
    return [
        _compared(table[number, place], table[0, place], (system, key.systems[0], criterion.name))
        for number, system in enumerate(key.systems)
        if number
        for place, criterion in enumerate(CRITERIA)
    ]


def _compared(
    mine: Float[np.ndarray, "people clips"],
    others: Float[np.ndarray, "people clips"],
    names: tuple[str, str, str],
) -> Comparison:
    change = mine - others
    sign = np.sign(change)
    known = sign[np.isfinite(sign)]
    shares = tuple(float(np.mean(known == s)) if known.size else np.nan for s in (1, 0, -1))
    return Comparison(
        *names, pigeonhole_interval(change), pigeonhole_interval((sign + 1) / 2), shares
    )
