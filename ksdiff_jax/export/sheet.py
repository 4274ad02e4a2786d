"""A contact sheet: many clips on one page, each with its waveform, a curve of its motion, and one
rendered frame.

Sound and curve share a time axis, so that a mouth that moves before its sound, or not at all, is
easy to see. The thin line through both marks the time of the picture.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ
from ksdiff_jax.export.drawing import drawing, title_of
from ksdiff_jax.export.plot import COLOURS
from ksdiff_jax.outputs import writing
from ksdiff_jax.ownership import mark
from ksdiff_jax.typing import Float

COLUMNS = 2
CURVE_COLOURS = (COLOURS["mouth"], COLOURS["pitch"], COLOURS["yaw"])
ENVELOPE_POINTS = 600


class SheetEntry(NamedTuple):
    """One clip of a sheet: t motion frames at `fps`, s samples at 16 kHz, c curves."""

    title: str
    audio: Float[np.ndarray, "s"]
    curves: Float[np.ndarray, "t c"]
    fps: float
    curve_name: str  # label of the vertical axis
    picture: np.ndarray | None = None  # uint8 (h, w, 3); None if no face of the space is available
    picture_frame: int = 0


@drawing()
def write_sheet(
    path: str | Path, entries: Sequence[SheetEntry], *, title: str, overwrite: bool = False
) -> Path:
    """Draw the entries, two to a row, into a PNG. A sheet of ours is replaced; another file is
    replaced only with `overwrite`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(entries) // COLUMNS)
    figure = Figure(figsize=(13, 1.9 * rows + 0.5), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    figure.suptitle(title_of(title), x=0.01, ha="left", fontsize=12)
    grid = figure.add_gridspec(
        2 * rows, 2 * COLUMNS, width_ratios=[1, 3.2] * COLUMNS, height_ratios=[1, 1.4] * rows
    )
    reach = max((float(np.max(entry.curves, initial=0)) for entry in entries), default=0.0)
    for place, entry in enumerate(entries):
        row, column = divmod(place, COLUMNS)
        picture = figure.add_subplot(grid[2 * row : 2 * row + 2, 2 * column])
        sound = figure.add_subplot(grid[2 * row, 2 * column + 1])
        curve = figure.add_subplot(grid[2 * row + 1, 2 * column + 1], sharex=sound)
        _draw_picture(picture, entry)
        _draw_sound(sound, entry)
        _draw_curve(curve, entry, reach=reach)
        for axis in (sound, curve):
            axis.spines[["top", "right"]].set_visible(False)
            if entry.picture is not None:
                axis.axvline(entry.picture_frame / entry.fps, color="0.55", linewidth=0.8)
    with writing(path, "sheet", overwrite=overwrite) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": mark("sheet")})
    return Path(path)


def _draw_picture(axis, entry: SheetEntry) -> None:
    axis.set_axis_off()
    if entry.picture is not None:
        axis.imshow(entry.picture)
    else:
        axis.text(
            0.5,
            0.5,
            "no face model\nof this space",
            ha="center",
            va="center",
            color="0.5",
            fontsize=9,
        )


def _draw_sound(axis, entry: SheetEntry) -> None:
    axis.set_title(title_of(entry.title), loc="left", fontsize=9)
    axis.set_yticks([])
    axis.tick_params(labelbottom=False)
    if not len(entry.audio):
        return
    step = max(1, -(-len(entry.audio) // ENVELOPE_POINTS))
    stretches = np.pad(entry.audio, (0, -len(entry.audio) % step)).reshape(-1, step)
    time_s = np.arange(len(stretches)) * step / SAMPLE_RATE_HZ
    axis.fill_between(
        time_s, stretches.min(axis=1), stretches.max(axis=1), color=COLOURS["sound"], linewidth=0
    )
    peak = max(float(np.abs(entry.audio).max()), 1e-3)
    axis.set_ylim(-1.05 * peak, 1.05 * peak)


def _draw_curve(axis, entry: SheetEntry, *, reach: float) -> None:
    time_s = np.arange(len(entry.curves)) / entry.fps
    for column, colour in zip(entry.curves.T, CURVE_COLOURS, strict=False):
        axis.plot(time_s, column, color=colour, linewidth=1.1)
    axis.set_xlim(0, max(len(entry.curves), 1) / entry.fps)
    if entry.picture is not None:  # an opening: axis from 0, on one scale for all clips
        axis.set_ylim(0, 1.05 * max(reach, 1e-3))
    axis.set_ylabel(entry.curve_name, fontsize=8)
    axis.tick_params(labelsize=7)
