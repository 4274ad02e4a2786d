"""What is fitted in a table of targets: differences from the phonetic one, each with the standard
deviation of its prior.

Values and leads change by a sum, dominances and rates by a factor exp(difference). Only classes
that occur in the clips have parameters. Opening alone does not tell jaw from lips, so the lips of a
vowel follow its jaw as in the phonetic table, and the rates of jaw and lips are common. The lead of
the jaw is not fitted: the sound of each clip is aligned by its own lag.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.data.corpus import phonemes as ph
from ksdiff_jax.data.corpus.targets import PHONETIC, Targets
from ksdiff_jax.typing import Float

OPENERS = (ph.JAW, ph.LOWER, ph.UPPER)
WIDEST = 2.0
CLASSES = {letters: ph.symbols_of(letters) for letters, _ in ph.CLASSES}
VOWELS = tuple(letters for letters, own in CLASSES.items() if own[0] in ph.VOWELS)
_VALUE, _DOMINANCE, _PAUSE_DOMINANCE, _RATE, _LEAD_S = 0.2, 0.5, 0.7, 0.4, 0.02
_BILABIAL, _LABIODENTAL, _LABIOVELAR, _PAUSE = (
    next(letters for letters, own in CLASSES.items() if symbol in own)
    for symbol in ("p", "f", "w", "")
)


class Parameter(NamedTuple):
    """A number of the table: `field` of `articulators`, of the targets of `classes` or, without
    classes, of the rates.
    """

    field: str
    articulators: tuple[int, ...]
    deviation: float
    classes: tuple[str, ...] = ()


def parameters(symbols: set[str]) -> list[Parameter]:
    """Return the parameters of speech in which these IPA symbols occur."""
    spoken = [letters for letters, own in CLASSES.items() if letters and set(own) & symbols]
    found = []
    for letters in spoken:
        own = PHONETIC.of_symbol[CLASSES[letters][0]]
        found.append(Parameter("value", (ph.JAW,), _VALUE, (letters,)))
        found.append(Parameter("dominance", (ph.JAW,), _DOMINANCE, (letters,)))
        if letters not in VOWELS and ph.LOWER in own and own[ph.CLOSE].value == 0:
            found.append(Parameter("value", (ph.LOWER,), _VALUE, (letters,)))
    parted = [letters for letters in CLASSES if letters and _close_of(letters) == 0]
    consonants = tuple(letters for letters in parted if letters not in VOWELS)
    return [
        *found,
        Parameter("value", (ph.CLOSE,), _VALUE, (_LABIOVELAR,)),
        Parameter("value", (ph.TUCK,), _VALUE, (_LABIODENTAL,)),
        Parameter("dominance", (ph.CLOSE,), _DOMINANCE, (_BILABIAL,)),
        Parameter("dominance", (ph.CLOSE,), _DOMINANCE, VOWELS),
        Parameter("dominance", (ph.CLOSE,), _DOMINANCE, consonants),
        Parameter("dominance", (ph.CLOSE,), _PAUSE_DOMINANCE, (_PAUSE,)),
        Parameter("dominance", (ph.JAW,), _PAUSE_DOMINANCE, (_PAUSE,)),
        Parameter("before_hz", OPENERS, _RATE),
        Parameter("after_hz", OPENERS, _RATE),
        Parameter("before_hz", (ph.CLOSE,), _RATE),
        Parameter("after_hz", (ph.CLOSE,), _RATE),
        Parameter("lead_s", (ph.CLOSE,), _LEAD_S),
        Parameter("lead_s", OPENERS[1:], _LEAD_S),
    ]


def _close_of(letters: str) -> float:
    return PHONETIC.of_symbol[CLASSES[letters][0]][ph.CLOSE].value


def changed(named: Sequence[Parameter], theta: Float[np.ndarray, "p"]) -> Targets:
    """Return the phonetic table with the parameters moved by `theta` prior deviations each."""
    classes = {letters: dict(PHONETIC.of_symbol[own[0]]) for letters, own in CLASSES.items()}
    rates = dict(PHONETIC.rates)
    for parameter, step in zip(named, theta * [each.deviation for each in named], strict=True):
        for articulator in parameter.articulators:
            for letters in parameter.classes:
                _move(classes[letters], articulator, parameter.field, step)
                if letters in VOWELS and parameter.field == "value":
                    classes[letters] |= _vowel_lips(classes[letters])
            if not parameter.classes:
                own = rates[articulator]
                now = getattr(own, parameter.field)
                moved = now + step if parameter.field == "lead_s" else now * np.exp(step)
                rates[articulator] = own._replace(**{parameter.field: float(moved)})
    return _table(classes, rates)


def _move(targets: dict[int, ph.Target], articulator: int, field: str, step: float) -> None:
    own = targets[articulator]
    if field == "value":
        targets[articulator] = own._replace(value=float(np.clip(own.value + step, 0.0, WIDEST)))
    else:
        targets[articulator] = own._replace(dominance=float(own.dominance * np.exp(step)))


def _vowel_lips(targets: dict[int, ph.Target]) -> dict[int, ph.Target]:
    lower, upper = ph.vowel_lips(targets[ph.JAW].value, round=targets[ph.PUCKER].value)
    return {
        ph.LOWER: targets[ph.LOWER]._replace(value=lower),
        ph.UPPER: targets[ph.UPPER]._replace(value=upper),
    }


def _table(classes: dict[str, dict[int, ph.Target]], rates) -> Targets:
    return Targets(
        {symbol: classes[letters] for letters, own in CLASSES.items() for symbol in own}, rates
    )


def with_other_vowels(targets: Targets, symbols: set[str]) -> Targets:
    """Return the table in which vowels that do not occur among `symbols` change as those beside
    them do, by linear interpolation over the phonetic opening among the rounded or the other ones.
    """
    classes = {letters: dict(targets.of_symbol[own[0]]) for letters, own in CLASSES.items()}
    before = {letters: PHONETIC.of_symbol[CLASSES[letters][0]] for letters in VOWELS}
    fitted = [letters for letters in VOWELS if set(CLASSES[letters]) & symbols]
    fitted.sort(key=lambda letters: before[letters][ph.JAW].value)
    for letters in set(VOWELS) - set(fitted):
        own = before[letters]
        rounded = own[ph.PUCKER].value > 0
        beside = [each for each in fitted if (before[each][ph.PUCKER].value > 0) == rounded]
        if not beside:
            continue
        at, old = [before[each][ph.JAW].value for each in beside], own[ph.JAW]
        pairs = [(classes[each][ph.JAW], before[each][ph.JAW]) for each in beside]
        step = np.interp(old.value, at, [new.value - first.value for new, first in pairs])
        factor = np.interp(
            old.value, at, [np.log(new.dominance / first.dominance) for new, first in pairs]
        )
        _move(classes[letters], ph.JAW, "value", step)
        _move(classes[letters], ph.JAW, "dominance", factor)
        classes[letters] |= _vowel_lips(classes[letters])
    return _table(classes, targets.rates)


def widened(targets: Targets, factor: float) -> Targets:
    """Return the table with all openings times a factor."""
    classes = {
        letters: {
            a: target._replace(value=min(target.value * factor, WIDEST)) if a in OPENERS else target
            for a, target in targets.of_symbol[own[0]].items()
        }
        for letters, own in CLASSES.items()
    }
    return _table(classes, targets.rates)
