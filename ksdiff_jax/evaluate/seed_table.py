"""Several systems, each trained with several seeds: their figures with intervals, as a table and as
a picture.

`results` maps the name of a system to one dictionary of figures (scores.py) per seed.
"""

import io
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.intervals import Interval, difference_interval, t_interval
from ksdiff_jax.export.drawing import drawing

Results = Mapping[str, Sequence[Mapping[str, float]]]

_COLOURS = ("#c4483a", "#3c8d5a", "#6a4c93", "#d98e04")


class Column(NamedTuple):
    """A figure to show, and constants to show with it: baselines that do not train, and the
    truth.
    """

    figure: str  # its name in the results
    title: str
    better: str = ""  # "↑" or "↓"; "" if neither applies
    beside: Mapping[str, float] = {}  # by label

    @property
    def heading(self) -> str:
        """Title and direction."""
        return f"{self.title} {self.better}".strip()


def interval_of(results: Results, system: str, figure: str) -> Interval:
    """Return the t interval of a figure over the seeds of a system."""
    return t_interval([figures[figure] for figures in results[system]])


def difference_of(results: Results, system: str, reference: str, figure: str) -> Interval:
    """Return the paired t interval of a system's figure minus that of the reference, seed by
    seed.
    """
    mine, others = ([figures[figure] for figures in results[name]] for name in (system, reference))
    return difference_interval(mine, others)


def seed_table(results: Results, columns: Sequence[Column]) -> str:
    """Return Markdown: a line per system with mean ± half the 95 % interval, then a line per
    baseline.
    """
    lines = [
        "| | seeds | " + " | ".join(column.heading for column in columns) + " |",
        "|---|---|" + "---|" * len(columns),
    ]
    for system, seeds in results.items():
        cells = [_with_reach(interval_of(results, system, column.figure)) for column in columns]
        lines.append(f"| {system} | {len(seeds)} | " + " | ".join(cells) + " |")
    for label in dict.fromkeys(label for column in columns for label in column.beside):
        cells = [
            f"{column.beside[label]:.3f}" if label in column.beside else "" for column in columns
        ]
        lines.append(f"| *{label}* | | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def difference_table(results: Results, columns: Sequence[Column], *, reference: str) -> str:
    """Return Markdown: a line per system except the reference, with its paired difference to the
    reference and the interval.

    A difference whose interval has a width and does not include zero is bold; these seeds do not
    resolve the others.
    """
    lines = ["| minus " + " | ".join([reference, *(column.heading for column in columns)]) + " |"]
    lines.append("|---|" + "---|" * len(columns))
    for system in results:
        if system != reference:
            found = [difference_of(results, system, reference, column.figure) for column in columns]
            lines.append(f"| {system} | " + " | ".join(map(_with_bounds, found)) + " |")
    return "\n".join(lines)


@drawing(**{"font.size": 9})
def draw_seeds(results: Results, columns: Sequence[Column], *, wide: int = 3) -> bytes:
    """Return a PNG: a panel per column, `wide` of them in a row, and in each panel a line per
    system, from top to bottom in their order.

    Dots are seeds, the bar is the 95 % t interval of their mean, dashed lines are the constants.
    Raises `InputError` if there is nothing to draw.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not results or not columns:
        raise InputError("picture of seeds: got no systems or no columns, need one or more of both")
    wide = min(wide, len(columns))
    tall = math.ceil(len(columns) / wide)
    figure = Figure(
        figsize=(11, 0.9 + tall * (1.1 + 0.27 * len(results))), layout="constrained", dpi=100
    )
    FigureCanvasAgg(figure)
    panels = figure.subplots(tall, wide, sharey=True, squeeze=False)
    for place, axis in enumerate(panels.flat):
        if place < len(columns):
            _draw_column(axis, results, columns[place])
        else:
            axis.set_axis_off()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def _draw_column(axis, results: Results, column: Column) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_title(column.heading, loc="left", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="x", color="0.93")
    axis.set_axisbelow(True)
    for number, (label, value) in enumerate(column.beside.items()):
        axis.axvline(
            value,
            color=_COLOURS[number % len(_COLOURS)],
            linestyle="--",
            linewidth=1.1,
            label=label,
        )
    shown = [value for value in column.beside.values() if math.isfinite(value)]
    for row, system in enumerate(results):
        values = [figures[column.figure] for figures in results[system]]
        interval = interval_of(results, system, column.figure)
        if math.isfinite(interval.low):
            axis.plot(
                [interval.low, interval.high], [row, row], color="#1f6f8b", linewidth=5, alpha=0.3
            )
        axis.plot(interval.mean, row, "|", color="#1f6f8b", markersize=11, markeredgewidth=2)
        axis.plot(values, [row] * len(values), "o", color="#1f6f8b", markersize=3.5, alpha=0.8)
        shown += [value for value in values if math.isfinite(value)]
    if shown:
        # The limits come from the measured values: a wide interval extends beyond the panel and
        # does not compress it.
        spread = max(max(shown) - min(shown), 1e-6)
        axis.set_xlim(min(shown) - 0.25 * spread, max(shown) + 0.25 * spread)
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.set_yticks(range(len(results)), list(results))
    axis.set_ylim(len(results) - 0.5, -0.5)
    if column.beside:
        axis.legend(
            fontsize=7.5, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2
        )


def _with_reach(interval: Interval) -> str:
    reach = f" ± {interval.high - interval.mean:.3f}" if math.isfinite(interval.high) else ""
    return f"{interval.mean:.3f}{reach}"


def _with_bounds(interval: Interval) -> str:
    text = f"{interval.mean:+.3f}"
    if math.isfinite(interval.low):
        text += f" [{interval.low:+.3f}, {interval.high:+.3f}]"
    return f"**{text}**" if interval.sign else text
