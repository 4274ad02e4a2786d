"""The table of an ablation study: figures of every row, and differences to the full model.

Scores are x[row][seed][figure] = (value of clip 1, ..., value of clip n): every row is trained with
the same seeds and scored on the same clips.

    figure        mean over clips and seeds of x
    difference    mean over clips and seeds of d = x[row] − x[full model], by clip and by seed, so
                  that what a clip or a seed does to both rows cancels

A mean has two t intervals, each of one-way means: over seeds, of the means over clips, and over
clips, of the means over seeds. The one over seeds holds how trainings differ, and not how clips do;
the other one the reverse. The tables show the one over seeds; with one seed there is none, and they
show the one over clips. A difference is resolved if both intervals lie on one side of zero, so
never with one seed. Otherwise it is *not resolved*, which is no evidence that a part does nothing.
Clips for which a figure is not defined in one of the runs are left out of it. Nothing is corrected
for the number of comparisons.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.evaluate.ablations import Ablations, Figure
from ksdiff_jax.evaluate.intervals import Interval, t_interval
from ksdiff_jax.typing import Float

OfRun = Mapping[str, Sequence[float | None]]  # values of the clips by figure; None: not defined
Scores = Mapping[str, Mapping[int, OfRun]]  # by row and seed

_COLUMNS = (
    *(
        "row",
        "figure",
        "kind",
        "mean",
        "low_over_seeds",
        "high_over_seeds",
        "low_over_clips",
        "high_over_clips",
    ),
    *("clips", "seeds", "verdict", "paper"),
)
_ONE_RUN = (
    "With one run a row none of these is resolved: two seeds of one row may differ as much. "
    "Add seeds."
)
_PAPERS = (
    "The paper's figures are of other data, another face tracker and its own units: compare "
    "directions only."
)


class Mean(NamedTuple):
    """A mean over clips and seeds, with its intervals."""

    over_seeds: Interval  # without bounds for one seed
    over_clips: Interval  # without bounds for one clip

    @property
    def shown(self) -> Interval:
        """Return the interval over seeds, or over clips if there is one seed."""
        return self.over_seeds if self.over_seeds.count > 1 else self.over_clips

    @property
    def sign(self) -> int:
        """Return 1 or -1 if the difference is resolved, otherwise 0."""
        signs = {each.sign for each in self}
        return signs.pop() if len(signs) == 1 else 0

    @property
    def verdict(self) -> str:
        """Return whether a difference is "higher", "lower" or "not resolved"."""
        return {1: "higher", -1: "lower", 0: "not resolved"}[self.sign]


def value_of(scores: Scores, row: str, figure: str) -> Mean | None:
    """Return a figure of a row; None if it is defined for no clip."""
    return _mean(_by_clip([of_run[figure] for of_run in scores[row].values()]))


def difference_of(scores: Scores, row: str, reference: str, figure: str) -> Mean | None:
    """Return a row's figure minus that of the reference, over the seeds that both have; None if
    there is none, or no clip for which both are defined.
    """
    common = [seed for seed in scores[row] if seed in scores.get(reference, {})]
    if not common:
        return None
    mine, others = (
        _by_clip([scores[name][seed][figure] for seed in common]) for name in (row, reference)
    )
    return _mean(mine - others)


def _by_clip(runs: Sequence[Sequence[float | None]]) -> Float[np.ndarray, "clips seeds"]:
    return np.array(runs, np.float64).T


def _mean(values: Float[np.ndarray, "clips seeds"]) -> Mean | None:
    values = values[np.isfinite(values).all(axis=1)]
    if not values.size:
        return None
    return Mean(t_interval(values.mean(axis=0)), t_interval(values.mean(axis=1)))


def markdown(scores: Scores, table: Ablations, *, beside: Scores) -> str:
    """Return the tables as Markdown: the paper's columns, further figures, differences.

    `beside` are rows that do not train, such as the truth, under the only seed 0. The first row of
    the table is the reference.
    """
    reference, few = next(iter(table.rows)), max(map(len, scores.values()), default=0) < 2
    over = "clips (one run a row: how trainings differ is not in them)" if few else "seeds"
    if not few and min(map(len, scores.values())) < 2:
        over += " (of rows with one run over clips, and resolved in none of these)"
    lines = [f"**{table.title}.** Mean and 95 % interval over {over}.", ""]
    lines += _beside_the_paper(scores, table, beside)
    if rest := [figure for figure in table.figures if not figure.paper]:
        lines += [
            "",
            *_lines(["", *(figure.heading for figure in rest)], _own(scores, rest, beside)),
        ]
    compared = [row for row in scores if row != reference]
    if compared and reference in scores:
        lines += [
            "",
            f"Differences to the {reference}, paired over clips and seeds, over {over}:",
            "",
        ]
        lines += _differences(scores, table.figures, compared, reference)
        lines += ["", _ONE_RUN if few else counted(scores, table, compared, reference)]
    return "\n".join(lines) + "\n"


def _beside_the_paper(scores: Scores, table: Ablations, beside: Scores) -> list[str]:
    ours = [figure for figure in table.figures if figure.paper]
    heads = ["", "runs"]
    for figure in ours:
        heads += [figure.heading, f"paper: {figure.paper}"]
    for column in table.unmeasured:
        heads += [column, f"paper: {column}"]
    rows = []
    for row, runs in {**scores, **beside}.items():
        known = row in scores
        cells = [row if known else f"*{row}*", str(len(runs)) if known else ""]
        for figure in ours:
            cells += [_shown(value_of({**scores, **beside}, row, figure.name))]
            cells += [_paper(table, row, figure.paper)]
        for column in table.unmeasured:
            cells += ["", _paper(table, row, column)]
        rows.append(cells)
    reasons = [f"{column}: {reason}." for column, reason in table.unmeasured.items()]
    return [*_lines(heads, rows), "", _PAPERS, *reasons]


def _own(scores: Scores, figures: Sequence[Figure], beside: Scores) -> list[list[str]]:
    every = {**scores, **beside}
    return [
        [row if row in scores else f"*{row}*"]
        + [_shown(value_of(every, row, figure.name)) for figure in figures]
        for row in every
    ]


def _differences(
    scores: Scores, figures: Sequence[Figure], compared: Sequence[str], reference: str
) -> list[str]:
    rows = []
    for row in compared:
        found = [difference_of(scores, row, reference, figure.name) for figure in figures]
        rows.append([row, *map(_change, found)])
    return _lines(["", *(figure.heading for figure in figures)], rows)


def counted(scores: Scores, table: Ablations, compared: Sequence[str], reference: str) -> str:
    """Return how many of the differences are resolved, and how many would be by chance."""
    found = [
        difference_of(scores, row, reference, figure.name)
        for row in compared
        for figure in table.figures
    ]
    known = [mean for mean in found if mean]
    resolved = sum(mean.sign != 0 for mean in known)
    return (
        f"{resolved} of {len(known)} differences are resolved (bold); "
        f"{0.05 * len(known):.1f} would be by chance if no part did anything."
    )


def csv_text(scores: Scores, table: Ablations, *, beside: Scores) -> str:
    """Return one line per row and figure, for values and for differences."""
    lines, reference = [], next(iter(table.rows))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in {**scores, **beside}:
        for figure in table.figures:
            value = value_of({**scores, **beside}, row, figure.name)
            lines.append((row, figure, "value", value, ""))
            if row in scores and row != reference:
                change = difference_of(scores, row, reference, figure.name)
                lines.append((row, figure, "difference", change, change.verdict if change else ""))
    for row, figure, kind, mean, verdict in lines:
        if mean:
            seeds, clips = mean
            numbers = (seeds.mean, seeds.low, seeds.high, clips.low, clips.high)
            paper = _paper(table, row, figure.paper) if kind == "value" else ""
            counts = (clips.count, seeds.count)
            writer.writerow(
                (row, figure.name, kind, *map(_finite, numbers), *counts, verdict, paper)
            )
    return text.getvalue()


def as_json(scores: Scores, table: Ablations, *, beside: Scores) -> dict:
    """Return the tables for a JSON file; what is not defined, or not finite, is null."""
    reference, every = next(iter(table.rows)), {**scores, **beside}
    rows = {}
    for row in every:
        values, changes = {}, {}
        for figure in table.figures:
            values[figure.name] = _json(value_of(every, row, figure.name))
            if row in scores and row != reference:
                found = difference_of(scores, row, reference, figure.name)
                verdict = {"verdict": found.verdict} if found else {}
                changes[figure.name] = found and _json(found) | verdict
        rows[row] = {"figures": values, "paper": dict(table.paper.get(row, {}))}
        rows[row] |= {"differences": changes} if changes else {}
    return {"title": table.title, "rows": rows, "unmeasured": dict(table.unmeasured)}


def _json(mean: Mean | None) -> dict | None:
    if mean is None:
        return None
    seeds, clips = mean
    named = {"mean": seeds.mean, "low_over_seeds": seeds.low, "high_over_seeds": seeds.high}
    named |= {"low_over_clips": clips.low, "high_over_clips": clips.high}
    finite = {name: value if math.isfinite(value) else None for name, value in named.items()}
    return finite | {"clips": clips.count, "seeds": seeds.count}


def _paper(table: Ablations, row: str, column: str) -> str:
    value = table.paper.get(row, {}).get(column)
    return "" if value is None else f"{value:.3f}"


def _finite(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""


def _shown(mean: Mean | None) -> str:
    if mean is None:
        return "undefined"
    value, low, high, _ = mean.shown
    return f"{value:.3f}" + (f" [{low:.3f}, {high:.3f}]" if math.isfinite(low) else "")


def _change(mean: Mean | None) -> str:
    if mean is None:
        return "undefined"
    value, low, high, _ = mean.shown
    text = f"{value:+.3f}" + (f" [{low:+.3f}, {high:+.3f}]" if math.isfinite(low) else "")
    if mean.over_seeds.count < 2:
        return text
    return f"**{text}**" if mean.sign else f"{text}, not resolved"


def _lines(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(heads)} |",
        "|" + "---|" * len(heads),
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
