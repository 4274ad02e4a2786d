"""Mean opinion scores as Markdown, CSV and JSON, with the paper's Table 2 beside them, and the
folder that holds all three.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ksdiff_jax.evaluate.intervals import Interval
from ksdiff_jax.files import write_json
from ksdiff_jax.outputs import writing_folder
from ksdiff_jax.ownership import FolderKind
from ksdiff_jax.ratings.opinions import Comparison
from ksdiff_jax.ratings.questions import CRITERIA, of_paper

Opinions = Mapping[str, Mapping[str, Interval]]
SCHEMA = "ksdiff-opinions/1"
_FILES = ("opinions.json", "opinions.md", "opinions.csv")
OPINIONS_FOLDER = FolderKind("results of a rating study", _FILES[0], "opinions", _FILES)
LEGEND = (
    "Scores from 1 (very poor) to 5 (excellent). 95 % intervals of a bootstrap over participants "
    "and clips, both drawn. Differences are of the same participant and clip; bold: the interval "
    "leaves out zero. Preferred: per cent of participants and clips with the higher score, ties, "
    "the lower one, and the interval of the first with half of the ties. "
    "Nothing is corrected for the number of comparisons."
)


def markdown(opinions: Opinions, compared: Sequence[Comparison]) -> str:
    """Return the tables: scores, then differences and preferences."""
    heads = ["", *(f"{criterion.title} ↑" for criterion in CRITERIA)]
    rows = [
        [system, *(_shown(by_criterion[criterion.name]) for criterion in CRITERIA)]
        for system, by_criterion in opinions.items()
    ]
    for system in opinions:
        if found := of_paper(system):
            rows.append([f"*paper: {found[0]}*", *(f"{score:.2f}" for score in found[1])])
    lines = [*_lines(heads, rows)]
    for title, cell in (
        ("minus {}", _change),
        ("preferred to {}, tie, not preferred, %", _preference),
    ):
        by_system: dict[str, list[str]] = {}
        for each in compared:
            by_system.setdefault(each.system, []).append(cell(each))
        head = title.format(compared[0].reference)
        lines += ["", *_lines([head, *heads[1:]], [[s, *c] for s, c in by_system.items()])]
    return "\n".join([*lines, "", LEGEND]) + "\n"


def csv_text(opinions: Opinions, compared: Sequence[Comparison]) -> str:
    """Return one line for each system and criterion: its score, then its difference."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("system", "criterion", "kind", "reference", "mean", "low", "high", "count"))
    for system, by_criterion in opinions.items():
        for name, interval in by_criterion.items():
            writer.writerow((system, name, "opinion", "", *_numbers(interval)))
    for each in compared:
        start = (each.system, each.criterion)
        writer.writerow((*start, "difference", each.reference, *_numbers(each.difference)))
        writer.writerow((*start, "preference", each.reference, *_numbers(each.preferred)))
    return text.getvalue()


def as_json(opinions: Opinions, compared: Sequence[Comparison]) -> dict:
    """Return the figures for a JSON file; what is undefined is null."""
    return {
        "opinions": {
            system: {name: _finite(interval) for name, interval in by_criterion.items()}
            for system, by_criterion in opinions.items()
        },
        "comparisons": [
            {
                "system": each.system,
                "reference": each.reference,
                "criterion": each.criterion,
                "difference": _finite(each.difference),
                "preferred": _finite(each.preferred),
                "shares": dict(zip(("higher", "tie", "lower"), each.shares, strict=True)),
            }
            for each in compared
        ],
    }


def write_opinions(
    folder: Path,
    document: dict,
    texts: Mapping[str, str],
    *,
    inputs: Iterable[Path],
    overwrite: bool = False,
) -> None:
    """Write the folder: the document as opinions.json, and the texts by their file names."""
    with writing_folder(folder, OPINIONS_FOLDER, overwrite=overwrite, inputs=inputs) as temporary:
        write_json(temporary / _FILES[0], document)
        for name, text in texts.items():
            (temporary / name).write_text(text, encoding="utf-8")


def _finite(interval: Interval) -> dict:
    return {
        name: value if math.isfinite(value) else None for name, value in interval._asdict().items()
    }


def _numbers(interval: Interval) -> tuple[str, str, str, int]:
    mean, low, high = (f"{v:.6g}" if math.isfinite(v) else "" for v in interval[:3])
    return mean, low, high, interval.count


def _shown(interval: Interval) -> str:
    if not interval.count:
        return "not rated"
    return f"{interval.mean:.2f}{_bounds(interval, '.2f')}"


def _bounds(interval: Interval, form: str) -> str:
    """Return the bounds, or "" for one participant or one clip."""
    finite = math.isfinite(interval.low) and math.isfinite(interval.high)
    return f" [{interval.low:{form}}, {interval.high:{form}}]" if finite else ""


def _change(compared: Comparison) -> str:
    change = compared.difference
    if not change.count:
        return "not rated"
    text = f"{change.mean:+.2f}{_bounds(change, '+.2f')}"
    return f"**{text}**" if change.sign else text


def _preference(compared: Comparison) -> str:
    if not compared.preferred.count:
        return "not rated"
    higher, tie, lower = (round(100 * share) for share in compared.shares)
    halved = compared.preferred._replace(
        low=100 * compared.preferred.low, high=100 * compared.preferred.high
    )
    return f"{higher}, {tie}, {lower}{_bounds(halved, '.0f')}"


def _lines(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(heads)} |",
        "|" + "---|" * len(heads),
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
