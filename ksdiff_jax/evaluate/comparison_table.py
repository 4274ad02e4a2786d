"""A comparison as Markdown, CSV and JSON: a line per metric, a column per predictor.

A cell is the mean over clips with its 95 % bootstrap interval. The first column of the CSV is the
mark of the file (`ownership`).
"""

import csv
import io
import math
from collections.abc import Sequence

from ksdiff_jax.evaluate.comparison import Comparison, Line
from ksdiff_jax.evaluate.intervals import FEWEST_CLIPS, Interval
from ksdiff_jax.evaluate.sync import accuracy_note
from ksdiff_jax.ownership import mark

PURPOSE = "comparison"
SCHEMA = f"ksdiff-{PURPOSE}/1"
HELD_OUT = "sync_held_out_accuracy"
LEGEND = (
    "Mean over clips [95 % bootstrap interval over clips]; intervals hold how clips differ, not "
    f"how trainings do, are not given for fewer than {FEWEST_CLIPS} clips, and are too narrow for "
    "few (of 5, 10, 20 normal values, 85, 88 and 92 % of them hold the mean). ↑ / ↓: what papers "
    "read as better; * our own metric. The truth is scored as a prediction is. Baselines are "
    "fitted to the training split."
)
UNMEASURED = {
    "FID": "needs the weights of an image network and real video",
}


def markdown(found: Comparison, *, title: str, predictors: Sequence[str]) -> str:
    """Return the table under a title, with the metrics that were left out below it."""
    lines = [
        f"## {title}",
        "",
        f"| metric | {' | '.join(predictors)} |",
        "|---|" + "---|" * len(predictors),
    ]
    for line in found.lines:
        cells = [_cell(line.interval(name)) for name in predictors]
        lines.append(f"| {_heading(line)} | {' | '.join(cells)} |")
    lines += ["", LEGEND]
    lines += ["", accuracy_note(found.sync)] if found.sync else []
    for reason, names in _by_reason(found).items():
        lines += ["", f"Not measured: {names}: {reason}."]
    return "\n".join(lines) + "\n"


def plain(found: Comparison, title: str, *, systems: Sequence[str]) -> str:
    """Return the table as aligned text for a terminal: intervals of the systems only."""
    names = list(found.courses)
    rows = [["metric", *names]]
    for line in found.lines:
        cells = [_cell(line.interval(n), bounds=n in systems) for n in names]
        rows.append([_heading(line), *cells])
    widths = [max(len(row[k]) for row in rows) for k in range(len(names) + 1)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    left_out = [f"not measured: {names}: {reason}" for reason, names in _by_reason(found).items()]
    rule = "  ".join("-" * width for width in widths)
    note = [accuracy_note(found.sync)] if found.sync else []
    return "\n".join([title, lines[0], rule, *lines[1:], LEGEND, *note, *left_out])


def csv_text(found: dict[str, Comparison]) -> str:
    """Return one line per data set, metric and predictor, and one for the accuracy of the lip-sync
    model on held-out pairs, if its checkpoint records it.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    names = ("schema", "data", "metric", "unit", "better", "predictor")
    writer.writerow((*names, "mean", "low", "high", "clips"))
    for data, comparison in found.items():
        for line in comparison.lines:
            metric = line.metric
            for name in line.values:
                of = line.interval(name)
                numbers = map(_finite, of[:3])
                which = (data, metric.name, metric.unit, metric.better, name)
                writer.writerow((SCHEMA, *which, *numbers, of.count))
        if HELD_OUT in comparison.sync:
            bounds = [
                comparison.sync.get(f"{HELD_OUT}{end}", math.nan) for end in ("_low", "_high")
            ]
            numbers = map(_finite, (comparison.sync[HELD_OUT], *bounds))
            which = ("recorded by the lip-sync model", HELD_OUT, "", "↑", "truth")
            writer.writerow((SCHEMA, *which, *numbers, ""))
    return text.getvalue()


def as_json(found: Comparison) -> dict:
    """Return every mean, interval and value of a clip; undefined numbers are null."""
    lines = []
    for line in found.lines:
        metric = {name: getattr(line.metric, name) for name in ("name", "unit", "better", "group")}
        predictors = {}
        for name, values in line.values.items():
            of = line.interval(name)
            predictors[name] = {
                **{field: _null(getattr(of, field)) for field in ("mean", "low", "high")},
                "clips": of.count,
                "of_each_clip": [_null(float(value)) for value in values],
            }
        lines.append(metric | {"predictors": predictors})
    sync = {name: _null(value) for name, value in found.sync.items()}
    return {"metrics": lines, "not_measured": _not_measured(found), "sync_model": sync}


def marked(text: str) -> str:
    """Return Markdown with the mark of a file of this package before it."""
    return f"<!-- {mark(PURPOSE)} -->\n{text}"


def _not_measured(found: Comparison) -> dict[str, str]:
    """Return the reason of every metric that was not measured, by its name."""
    measured = {line.metric.name for line in found.lines}
    reasons = UNMEASURED | found.left_out
    return {name: reason for name, reason in reasons.items() if name not in measured}


def _by_reason(found: Comparison) -> dict[str, str]:
    """Return the names of metrics that were not measured, joined, by their reason."""
    names: dict[str, list[str]] = {}
    for name, reason in _not_measured(found).items():
        names.setdefault(reason, []).append(name)
    return {reason: "; ".join(each) for reason, each in names.items()}


def _heading(line: Line) -> str:
    metric = line.metric
    unit = f" ({metric.unit})" if metric.unit else ""
    return f"{metric.name}{unit} {metric.better}{'*' if getattr(metric, 'ours', False) else ''}"


def _cell(of: Interval, *, bounds: bool = True) -> str:
    if math.isnan(of.mean):
        return "–"
    if not bounds or not math.isfinite(of.low):
        return _number(of.mean)
    return f"{_number(of.mean)} [{_number(of.low)}, {_number(of.high)}]"


def _number(value: float) -> str:
    size = abs(value)
    if 1e-9 < size < 0.0005:
        return f"{value:.1e}"
    if 1e-9 < size < 0.1:
        return f"{value:.3f}" if size >= 0.01 else f"{value:.4f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _finite(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""


def _null(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
