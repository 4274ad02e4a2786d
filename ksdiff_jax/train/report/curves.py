"""The curves of a run as one picture: losses, their terms, speed, gradient and learning rate over
the steps.

Entries are the lines of `metrics.jsonl` (metrics_log.py). A value that was not finite is a gap.
"""

import io
from collections.abc import Mapping, Sequence
from itertools import cycle, pairwise

import numpy as np

from ksdiff_jax.export.drawing import drawing
from ksdiff_jax.typing import Float

Entry = Mapping[str, int | float | str | None]

MAX_POINTS = 800  # of a curve; more are averaged in groups, so that the page opens quickly
_TRAIN, _VALIDATION = ("#1f6f8b", "-"), ("#c4483a", "-")
_COLOURS = ("#1f6f8b", "#c4483a", "#d98e04", "#6a4c93", "#3c8d5a", "#8a94a6", "#b05f8f", "#4a5568")
_STYLES = ("-", (0, (4, 1.5)), ":")
_LINES_WITH_ROOM = 3  # for a legend inside the panel; with more lines the legend is beside it
_WIDE_RANGE = 20.0  # a curve that spans more than this factor is drawn on a logarithmic axis


def curve(
    entries: Sequence[Entry], split: str, name: str
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Return steps and values of one quantity, reduced to `MAX_POINTS`."""
    points = [
        (entry["step"], entry[name])
        for entry in entries
        if entry["split"] == split and name in entry
    ]
    array = np.array(
        [(step, np.nan if value is None else value) for step, value in points], np.float64
    ).reshape(-1, 2)
    group = -(-len(array) // MAX_POINTS)
    if group > 1:
        edges = range(0, len(array) + group, group)
        array = np.array([array[a:b].mean(axis=0) for a, b in pairwise(edges) if len(array[a:b])])
    return array[:, 0], array[:, 1]


def terms(entries: Sequence[Entry]) -> list[str]:
    """Return the names of the terms of the loss: those with a path in front, as in
    "head/velocity".
    """
    names = dict.fromkeys(
        name for entry in entries if entry["split"] == "train" for name in entry if "/" in name
    )
    return list(names)


def _looks(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return colour and style of the line of each term: one colour for a term, one style for a
    path.
    """
    paths, kinds = ({name.split("/")[i]: None for name in names} for i in (0, -1))
    style = dict(zip(paths, cycle(_STYLES), strict=False))
    colour = dict(zip(kinds, cycle(_COLOURS), strict=False))
    return {name: (colour[name.split("/")[-1]], style[name.split("/")[0]]) for name in names}


@drawing(**{"svg.fonttype": "none", "svg.hashsalt": "ksdiff-jax", "font.size": 9})
def draw_curves(entries: Sequence[Entry], *, form: str = "svg") -> bytes:
    """Return the picture, as `form` "svg" or "png"."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.4), layout="constrained", dpi=100)
    FigureCanvasAgg(figure)
    (loss, parts), (speed, gradient) = figure.subplots(2, 2)
    _lines(
        loss,
        [
            ("train", _TRAIN, curve(entries, "train", "loss")),
            ("validation", _VALIDATION, curve(entries, "val", "loss")),
        ],
        title="loss",
    )
    _lines(
        parts,
        [
            (name, look, curve(entries, "train", name))
            for name, look in _looks(terms(entries)).items()
        ],
        title="terms of the loss, training",
    )
    _lines(
        speed,
        [("steps/s", _TRAIN, curve(entries, "train", "steps_per_s"))],
        title="steps per second",
        logarithmic=False,
    )
    speed.set_ylim(bottom=0)
    _lines(
        gradient,
        [
            ("gradient norm", _TRAIN, curve(entries, "train", "grad_norm")),
            ("learning rate", _VALIDATION, curve(entries, "train", "learning_rate")),
        ],
        title="gradient norm and learning rate",
        logarithmic=True,
    )
    for axis in (speed, gradient):
        axis.set_xlabel("step")
    picture = io.BytesIO()
    figure.savefig(
        picture, format=form, metadata={"Date": None} if form == "svg" else {"Software": None}
    )
    return picture.getvalue()


def _lines(axis, lines, *, title: str, logarithmic: bool | None = None) -> None:
    """Draw named curves in one panel; the axis is logarithmic if they span a wide range, unless
    given.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    axis.set_title(title, loc="left", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(color="0.93")
    axis.set_axisbelow(True)
    values = np.concatenate([y for _, _, (_, y) in lines] or [np.zeros(0)])
    values = values[np.isfinite(values)]
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    for name, (colour, style), (x, y) in lines:
        if not len(x):  # for example in a run without validation clips
            continue
        # A curve of one point would be invisible.
        look = {"color": colour, "linestyle": style, "marker": "o" if len(x) < 3 else None}
        axis.plot(x, y, linewidth=1.2, markersize=3, label=name, **look)
    if not values.size:
        axis.text(0.5, 0.5, "nothing logged", transform=axis.transAxes, ha="center", color="0.5")
        return
    positive = values[values > 0]
    if logarithmic is None:
        logarithmic = positive.size == values.size and positive.max() > _WIDE_RANGE * positive.min()
    if logarithmic and positive.size:
        axis.set_yscale("log")
        # Matplotlib's own labels are formulas, which our pictures do not interpret.
        narrow = positive.max() < 100 * positive.min()
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
    if len(lines) > _LINES_WITH_ROOM:
        axis.legend(
            frameon=False,
            fontsize=7.5,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            borderaxespad=0.0,
        )
    elif len(lines) > 1:
        axis.legend(frameon=False, fontsize=8)
