"""Tables of articulatory targets: the positions, dominances and rates of the corpus's mouths.

`phonetic` was written from what is known of the phonemes (`phonemes.py`). `measured` was fitted to
the mouth openings of real people (`asset_builders/corpus_targets`, which writes such a table). A
table is named, or is a file that the fit wrote.

The corpus's version (`version.py`) is that of clips with the table `phonetic`.
"""

import json
from pathlib import Path
from typing import NamedTuple

from ksdiff_jax.data.corpus import phonemes as ph
from ksdiff_jax.errors import InputError, first_line

PHONETIC_NAME, MEASURED_NAME = "phonetic", "measured"
NAMES = (PHONETIC_NAME, MEASURED_NAME)
MEASURED_FILE = Path(__file__).parents[2] / "assets" / "measured_targets.json"
SCHEMA = "ksdiff-targets/1"


class Rates(NamedTuple):
    """θ before and after a segment's core in 1/s, and the lead over the sound in seconds."""

    before_hz: float
    after_hz: float
    lead_s: float


class Targets(NamedTuple):
    """A table: the targets of every IPA symbol and the rates, both by articulator."""

    of_symbol: dict[str, dict[int, ph.Target]]
    rates: dict[int, Rates]


# Rounding has the longest lead, closures are the sharpest.
PHONETIC = Targets(
    ph.TARGETS,
    {
        ph.JAW: Rates(32.0, 28.0, 0.030),
        ph.CLOSE: Rates(100.0, 90.0, 0.005),
        ph.TUCK: Rates(70.0, 70.0, 0.010),
        ph.PUCKER: Rates(16.0, 28.0, 0.050),
        ph.FUNNEL: Rates(16.0, 28.0, 0.050),
        ph.STRETCH: Rates(24.0, 24.0, 0.040),
        ph.LOWER: Rates(32.0, 28.0, 0.030),
        ph.UPPER: Rates(32.0, 28.0, 0.030),
        ph.CHIN: Rates(40.0, 40.0, 0.020),
        ph.CHEEK: Rates(50.0, 50.0, 0.010),
    },
)


def named_targets(name: str) -> Targets:
    """Return the table of a name, or of a file of this form; raise `InputError` for anything
    else.
    """
    if name == PHONETIC_NAME:
        return PHONETIC
    path = MEASURED_FILE if name == MEASURED_NAME else Path(name)
    try:
        return targets_of_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise InputError(
            f"there are no targets {name!r}; choose among {', '.join(NAMES)}, or name a file that "
            "`python -m ksdiff_jax.asset_builders.corpus_targets` wrote"
        ) from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path}: not a table of targets ({type(error).__name__}: {first_line(error)}); need "
            "the file that `python -m ksdiff_jax.asset_builders.corpus_targets` wrote"
        ) from error


def targets_option(name: str) -> str:
    """Return the option that asks for a table, for the record of a data set; empty for the one
    that is used without the option.
    """
    return "" if name == PHONETIC_NAME else f" --targets {name}"


def json_of_targets(targets: Targets) -> dict:
    """Return the content of the file of a table."""
    classes = {}
    for symbols, _ in ph.CLASSES:
        own = targets.of_symbol[ph.symbols_of(symbols)[0]]
        classes[symbols] = {
            ph.ARTICULATORS[a]: [round(target.value, 4), round(target.dominance, 4)]
            for a, target in own.items()
        }
    rates = {
        ph.ARTICULATORS[a]: [round(number, 4) for number in each]
        for a, each in targets.rates.items()
    }
    return {"schema": SCHEMA, "classes": classes, "rates": rates}


def targets_of_json(content: dict) -> Targets:
    """Return the table in the content of a file; raise `ValueError` or `KeyError` for another
    form, missing classes or rates, and numbers that are not possible.
    """
    if content["schema"] != SCHEMA:
        raise ValueError(f"schema {content['schema']!r}")
    index = {name: number for number, name in enumerate(ph.ARTICULATORS)}
    of_symbol = {}
    for symbols, _ in ph.CLASSES:
        own = {
            index[name]: ph.Target(float(value), float(dominance))
            for name, (value, dominance) in content["classes"][symbols].items()
        }
        if not all(0 <= each.value <= 2 and 0 < each.dominance < 1000 for each in own.values()):
            raise ValueError(
                f"a target of {symbols or 'pauses'} is outside 0 to 2, or its dominance"
            )
        of_symbol |= dict.fromkeys(ph.symbols_of(symbols), own)
    rates = {index[name]: Rates(*map(float, each)) for name, each in content["rates"].items()}
    if sorted(rates) != list(range(len(index))):
        raise ValueError(f"rates of {len(rates)} articulators, need {len(index)}")
    if not all(0 < r.before_hz < 1000 and 0 < r.after_hz < 1000 for r in rates.values()):
        raise ValueError("a rate is outside 0 to 1000 Hz")
    return Targets(of_symbol, rates)
