"""The discrimination of metrics as a Markdown table and as JSON."""

import math
from collections.abc import Sequence

from ksdiff_jax.evaluate.controls import CONTROLS
from ksdiff_jax.evaluate.discrimination import CHANCE, ENOUGH_CLIPS, SYNC, Cell, Line

LEGEND = (
    "cells: per cent of the clips in which the true motion scores better than a wrong one (a tie "
    "counts half), with a 95 % interval over clips. Bold: above chance, the metric tells them "
    "apart. ✗: below it, it prefers the wrong one. † compares with the true motion, "
    "which is perfect there by definition if it is not late. Italic: ours"
)

ONE_SAMPLE = "is of several samples of one clip, and the truth is one"
UNTESTED = {
    "LSE-C; LSE-D": "need the weights of SyncNet",
    "FID": "needs the weights of an image network and real video",
    "Diversity between samples": ONE_SAMPLE,
    "share of the speech in the head's speed": f"{ONE_SAMPLE}; see head speed with the level",
}


def untested(lines: Sequence[Line]) -> dict[str, str]:
    """Return the metrics of `evaluate` that the lines leave out, and why."""
    if any(line.metric.name == SYNC.name for line in lines):
        return UNTESTED
    return UNTESTED | {SYNC.name: "needs a lip-sync model (--sync sync: the shipped one)"}


def markdown(lines: Sequence[Line]) -> str:
    """Return the table: a line per metric, a column per control."""
    rows = [
        "| metric | truth | " + " | ".join(CONTROLS) + " |",
        "|---|---|" + "---|" * len(CONTROLS),
    ]
    for line in lines:
        metric, unit = line.metric, f" {line.metric.unit}" if line.metric.unit else ""
        name = f"*{metric.name}*" if metric.ours else metric.name
        title = f"{name} {metric.better}" + ("†" if metric.against_truth else "")
        value = f"{line.truth:.3g}{unit}" if math.isfinite(line.truth) else "undefined"
        cells = [shown(line.cells[control]) for control in CONTROLS]
        rows.append("| " + " | ".join([title, value, *cells]) + " |")
    return "\n".join(rows)


def shown(cell: Cell) -> str:
    """Return a cell as text."""
    if cell.verdict == "undefined":
        return "undefined"
    share, low, high = (round(100 * value) for value in cell.share[:3])
    text = f"{share} [{low}, {high}]" if low != high else f"{share}, ties"
    return {"tells": f"**{text}**", "fooled": f"{text} ✗"}.get(cell.verdict, text)


def as_json(lines: Sequence[Line], *, clips: int) -> dict:
    """Return the lines for a JSON file; values that are not finite are null."""

    def finite(value: float) -> float | None:
        return float(value) if math.isfinite(value) else None

    def of_cell(cell: Cell) -> dict:
        share, low, high, count = cell.share
        bounds = {"share": finite(share), "low": finite(low), "high": finite(high)}
        return bounds | {"clips": count, "verdict": cell.verdict}

    return {
        "tells": f"the 95 % interval of the share of clips is above {CHANCE:g}",
        "enough_clips": clips >= ENOUGH_CLIPS,
        "not_tested": untested(lines),
        "metrics": [
            {
                "name": line.metric.name,
                "unit": line.metric.unit,
                "better": line.metric.better,
                "against_truth": line.metric.against_truth,
                "ours": line.metric.ours,
                "truth": finite(line.truth),
                "controls": {name: of_cell(cell) for name, cell in line.cells.items()},
            }
            for line in lines
        ],
    }
