"""Learning curves of the rows of a table, one panel each: do they still improve at the end?

Entries are the lines of `metrics.jsonl` of each run (metrics_log.py). Losses of two rows are not
comparable, since rows have different terms; each is compared with itself, earlier. A learning rate
that decays flattens every curve at its end: a flat one shows that this budget is used up, and not
that a longer one would bring nothing.
"""

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.export.drawing import drawing
from ksdiff_jax.train.report.curves import Entry, curve

Runs = Mapping[str, Sequence[Sequence[Entry]]]  # the entries of each run, by row

_WIDE = 4  # panels in a row
_TRAIN, _VALIDATION = "#1f6f8b", "#c4483a"


def last_changes(runs: Sequence[Sequence[Entry]]) -> dict[str, float]:
    """Return, as means over the runs of one row, the relative change of the training loss from the
    third to the last quarter of the steps, and of the validation loss between the last two
    validations; NaN if there are too few.
    """
    return {
        "train": _mean([_between_quarters(entries) for entries in runs]),
        "validation": _mean([_between_validations(entries) for entries in runs]),
    }


def _between_quarters(entries: Sequence[Entry]) -> float:
    _, losses = curve(entries, "train", "loss")
    quarter = len(losses) // 4
    if not quarter:
        return math.nan
    before, after = losses[-2 * quarter : -quarter].mean(), losses[-quarter:].mean()
    return float(after / before - 1)


def _between_validations(entries: Sequence[Entry]) -> float:
    _, losses = curve(entries, "val", "loss")
    return float(losses[-1] / losses[-2] - 1) if len(losses) > 1 else math.nan


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


@drawing(**{"font.size": 9})
def draw_rows(runs: Runs) -> bytes:
    """Return a PNG: for every row the losses of its runs, in training and on validation clips.

    Raises `InputError` if there is no run.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not any(runs.values()):
        raise InputError("learning curves: got no runs, need one or more")
    wide = min(_WIDE, len(runs))
    tall = -(-len(runs) // wide)
    figure = Figure(figsize=(3.3 * wide + 0.4, 2.5 * tall + 0.6), layout="constrained", dpi=100)
    FigureCanvasAgg(figure)
    panels = figure.subplots(tall, wide, sharex=True, squeeze=False)
    for axis in panels.flat[len(runs) :]:
        axis.set_axis_off()
    for axis, (row, of_row) in zip(panels.flat, runs.items(), strict=False):
        _draw_row(axis, row, of_row)
    figure.supxlabel("step", fontsize=9)
    figure.suptitle("loss in training (blue) and on validation clips (red)", fontsize=9)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def _draw_row(axis, row: str, runs: Sequence[Sequence[Entry]]) -> None:
    axis.set_title(row, loc="left", fontsize=10)
    axis.grid(color="0.93")
    axis.set_axisbelow(True)
    for entries in runs:
        axis.plot(*curve(entries, "train", "loss"), color=_TRAIN, linewidth=1.0, alpha=0.8)
        look = {"color": _VALIDATION, "marker": "o", "markersize": 3}
        axis.plot(*curve(entries, "val", "loss"), linewidth=1.0, **look)
