"""Pictures of a comparison: how metrics are distributed over clips, the best and the worst clip in
time, and the spectra of heads.

The spectrum of a head is the power spectral density of its axis-angle, summed over the three axes:
Hann windows of 64 frames (2.6 s) that overlap by half (Welch), the mean over clips, in degrees²/Hz.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.signal import welch

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.evaluate.comparison import Comparison
from ksdiff_jax.evaluate.course import Course
from ksdiff_jax.evaluate.head_speech import speed_of
from ksdiff_jax.evaluate.lips import CLOSED_BELOW
from ksdiff_jax.evaluate.reference_motions import TRUTH
from ksdiff_jax.export.drawing import drawing, title_of
from ksdiff_jax.outputs import writing
from ksdiff_jax.ownership import mark
from ksdiff_jax.typing import Float

SHOWN = (
    "LVE, mean of distances",
    "opening r",
    "opening, warped",
    "closure rate of /p b m/",
    "closure precision",
    "keyframe F1, head without the jaw",
    "Diversity, yaw, pitch and roll",
    "head spectrum, distance",
    "head speed with the level, r",
)
WINDOW_FRAMES = 64
LOWEST = 1e-7


@drawing(**{"font.size": 8})
def plot_distributions(path: str | Path, found: Comparison, *, title: str, overwrite: bool) -> None:
    """Draw a panel per metric of `SHOWN` that was measured: for each predictor a dot per clip, a
    bar from the first to the third quartile, and the median.
    """
    shown = [line for line in found.lines if line.metric.name in SHOWN] or found.lines[:9]
    names = list(found.courses)
    wide = min(3, len(shown))
    tall = -(-len(shown) // wide)
    figure = _figure((4.2 * wide + 1, (0.8 + 0.24 * len(names)) * tall + 0.5), title)
    panels = figure.subplots(tall, wide, sharey=True, squeeze=False).flat
    for axis, line in zip(panels, shown, strict=False):
        for row, name in enumerate(names):
            values = line.values[name][np.isfinite(line.values[name])]
            if not len(values):
                continue
            low, middle, high = np.percentile(values, (25, 50, 75))
            axis.plot([low, high], [row, row], color="0.5", linewidth=9, alpha=0.35)
            axis.plot(middle, row, "|", color="0.1", markersize=11, markeredgewidth=2)
            spread = np.random.default_rng(0).uniform(-0.18, 0.18, len(values))
            axis.plot(values, row + spread, ".", color=_colour(row), markersize=3, alpha=0.6)
        unit = f", {line.metric.unit}" if line.metric.unit else ""
        axis.set_title(f"{line.metric.name}{unit} {line.metric.better}", loc="left", fontsize=8)
        axis.set_yticks(range(len(names)), [title_of(name) for name in names])
        axis.set_ylim(len(names) - 0.5, -0.5)
    for axis in list(panels)[len(shown) :]:
        axis.set_axis_off()
    _save(figure, path, overwrite=overwrite)


@drawing(**{"font.size": 8})
def plot_courses(
    path: str | Path,
    shown: Mapping[str, tuple[Course, Course]],
    *,
    title: str,
    overwrite: bool,
) -> None:
    """Draw two panels for every clip: the opening of the mouth, and the speed of the head, of a
    prediction and of the truth; `shown` has (predicted, true) by title.
    """
    figure = _figure((11, 0.6 + 3.0 * len(shown)), title)
    panels = figure.subplots(2 * len(shown), 1, squeeze=False)[:, 0]
    for number, (name, pair) in enumerate(shown.items()):
        mouth, head = panels[2 * number : 2 * number + 2]
        for course, label, colour in zip(pair, *_PAIR, strict=True):
            time_s = np.arange(len(course.rotation)) / MOTION_RATE_HZ
            mouth.plot(time_s, course.opening, color=colour, label=label, linewidth=1.1)
            head.plot(time_s, speed_of(course.rotation), color=colour, linewidth=1.1)
        mouth.axhline(CLOSED_BELOW, color="0.7", linestyle="--", linewidth=0.8)
        mouth.set_title(title_of(name), loc="left", fontsize=9)
        mouth.set_ylabel("mouth opening\n/ face height")
        head.set_ylabel("head speed (°/s)")
        for axis in (mouth, head):
            axis.margins(x=0)
    panels[0].legend(loc="upper right", ncols=2)
    panels[-1].set_xlabel("time (s)")
    _save(figure, path, overwrite=overwrite)


@drawing(**{"font.size": 9})
def plot_spectra(
    path: str | Path, courses: Mapping[str, Sequence[Course]], *, title: str, overwrite: bool
) -> None:
    """Draw the mean head spectrum of every predictor that moves its head; power below `LOWEST` of
    the largest is cut off.
    """
    from matplotlib.ticker import FuncFormatter

    figure = _figure((8, 4.5), title)
    axis = figure.subplots()
    spectra = {n: head_spectrum([c.rotation for c in series]) for n, series in courses.items()}
    largest = max((found[1].max() for found in spectra.values() if found), default=0.0)
    for number, (name, found) in enumerate(spectra.items()):
        if found is None or not found[1].max() > LOWEST * largest:
            continue
        style = {"color": "0.3", "linewidth": 2.2} if name == TRUTH else {"color": _colour(number)}
        axis.loglog(*found, label=title_of(name), **style)
    if largest > 0:
        axis.set_ylim(LOWEST * largest, 3 * largest)
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
    axis.set_xlabel("frequency (Hz)")
    axis.set_ylabel("power of the head's rotation (°²/Hz)")
    axis.grid(color="0.92")
    axis.legend(fontsize=8)
    _save(figure, path, overwrite=overwrite)


def head_spectrum(
    rotations: Sequence[Float[np.ndarray, "_ 3"]],
) -> tuple[Float[np.ndarray, "k"], Float[np.ndarray, "k"]] | None:
    """Return frequencies in Hz above 0 and the mean power over clips of a window or more; None
    without one.
    """
    long = [np.degrees(each) for each in rotations if len(each) >= WINDOW_FRAMES]
    if not long:
        return None
    found = [welch(each, fs=float(MOTION_RATE_HZ), nperseg=WINDOW_FRAMES, axis=0) for each in long]
    power = np.mean([density.sum(axis=1) for _, density in found], axis=0)
    return found[0][0][1:], power[1:]


_PAIR = (("predicted", "true"), ("tab:red", "0.45"))


def _colour(number: int) -> str:
    return f"C{number % 10}"


def _figure(size: tuple[float | int, float | int], title: str):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title_of(title))
    return figure


def _save(figure, path: str | Path, *, overwrite: bool) -> None:
    with writing(path, "comparison", overwrite=overwrite) as temporary:
        metadata = {"Software": mark("comparison")}
        figure.savefig(temporary, dpi=110, format="png", metadata=metadata)
