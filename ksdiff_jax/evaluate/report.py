"""Figures with their targets: the printed table, `metrics.json`, and plots of mouth openings.

A target is a value that a finished system has to reach; figures without one are for comparison.
Every report states the machine on which it was made.
"""

import math
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.evaluate.lips import CLOSED_BELOW
from ksdiff_jax.export.drawing import drawing, title_of
from ksdiff_jax.outputs import writing
from ksdiff_jax.ownership import mark
from ksdiff_jax.typing import Float

KEYFRAME_MARGIN = 0.10  # F1 above the better of the two predictors that do not use the speech
NOISE_RANGE = 0.03  # 5th to 95th percentile of the opening; real speech spans 0.085
LIP_TOLERANCE_MM = 1.0  # mean difference of two samples; the mouth opens by 8 mm on average
HEAD_DIFFERENCE_DEG = 1.0  # mean difference of two samples; real heads vary by 2 to 3 degrees


class Row(NamedTuple):
    """One line of the report."""

    figure: str
    value: float
    target: str  # "" if there is none
    reached: bool | None  # None if there is no target or nothing was measured


class Curves(NamedTuple):
    """Mouth opening of one clip over face height: predicted, and true or measured, at 25 Hz."""

    name: str
    predicted: Float[np.ndarray, "t"]
    truth: Float[np.ndarray, "n"]


def rows(figures: dict[str, float]) -> list[Row]:
    """Return the report: figures with a target first, then the rest, in the order of
    measurement.
    """
    first, rest = [], []
    for name, value in figures.items():
        target = _target(name, figures)
        if target is None:
            rest.append(Row(name, value, "", None))
        else:
            bound, holds = target
            first.append(Row(name, value, bound, holds(value) if math.isfinite(value) else None))
    return first + rest


def _target(name: str, figures: dict[str, float]) -> tuple[str, Callable[[float], bool]] | None:
    if name in ("keyframe_expression_f1", "keyframe_head_f1"):
        bound = max(figures[f"{name}_random"], figures[f"{name}_fixed"]) + KEYFRAME_MARGIN
        return f">= {bound:.3f} (baselines + {KEYFRAME_MARGIN:.2f})", lambda value: value >= bound
    bounds = {
        "jaw_correlation": (">= 0.85", lambda value: value >= 0.85),
        "lve_ratio": ("<= 0.5", lambda value: value <= 0.5),
        "closure_rate": (">= 0.90", lambda value: value >= 0.90),
        "sync_accuracy": (">= 0.90", lambda value: value >= 0.90),
        "sync_held_out_accuracy": (">= 0.75", lambda value: value >= 0.75),
        "real_speech_correlation": ("> 0.40", lambda value: value > 0.40),
        "real_closure": (">= 0.82", lambda value: value >= 0.82),
        **{f"real_{each}_ratio": _within(0.8, 1.25) for each in ("closed_share", "std", "speed")},
        "real_head_speed_95_deg": _within(18.0, 52.0),
        "real_blinks_closed": (">= 0.90", lambda value: value >= 0.90),
        "silence_opening_max": (f"< {CLOSED_BELOW}", lambda value: value < CLOSED_BELOW),
        **{
            f"rest_{kind}_opening_max": (f"< {CLOSED_BELOW}", lambda value: value < CLOSED_BELOW)
            for kind in ("silence", "noise", "hum", "music")
        },
        "noise_opening_range": (f"<= {NOISE_RANGE}", lambda value: value <= NOISE_RANGE),
        "lip_difference_mm": (f"<= {LIP_TOLERANCE_MM}", lambda value: value <= LIP_TOLERANCE_MM),
        "head_difference_deg": (
            f">= {HEAD_DIFFERENCE_DEG}",
            lambda value: value >= HEAD_DIFFERENCE_DEG,
        ),
    }
    return bounds.get(name)


def _within(low: float, high: float) -> tuple[str, Callable[[float], bool]]:
    return f"{low:g} to {high:g}", lambda value: low <= value <= high


def table(report: Sequence[Row]) -> str:
    """Return the report as aligned plain text."""
    cells = [("figure", "value", "target", "reached")]
    for row in report:
        verdict = (
            "" if not row.target else {True: "yes", False: "no", None: "not measured"}[row.reached]
        )
        cells.append((row.figure, _number(row.value), row.target, verdict))
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def machine() -> dict[str, str | int]:
    """Return the machine on which the figures were measured."""
    import jax

    device = jax.devices()[0]
    return {
        "processor": _processor_name(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1,
        "device": f"{device.platform} {device.device_kind}",
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "jax": jax.__version__,
    }


def as_json(figures: dict[str, float], about: dict) -> dict:
    """Return the figures, each target with its verdict, and what was measured on which machine;
    undefined values are null.
    """
    finite = {name: value if math.isfinite(value) else None for name, value in figures.items()}
    targets = {
        row.figure: {"target": row.target, "reached": row.reached}
        for row in rows(figures)
        if row.target
    }
    return {"schema": "ksdiff-metrics/1", "figures": finite, "targets": targets, **about}


@drawing()
def plot_openings(
    path: str | Path, curves: Sequence[Curves], *, title: str, overwrite: bool = False
) -> None:
    """Draw one panel per clip: opening over face height against seconds, with the closure threshold
    dashed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 1.2 + 1.7 * len(curves)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title_of(title))
    for axes, curve in zip(
        figure.subplots(len(curves), 1, squeeze=False)[:, 0], curves, strict=True
    ):
        for values, label, colour in (
            (curve.truth, "true", "0.45"),
            (curve.predicted, "predicted", "tab:red"),
        ):
            axes.plot(
                np.arange(len(values)) / MOTION_RATE_HZ,
                values,
                color=colour,
                label=label,
                linewidth=1.2,
            )
        axes.axhline(CLOSED_BELOW, color="0.7", linestyle="--", linewidth=0.8)
        axes.set_title(title_of(curve.name), fontsize=9, loc="left")
        axes.margins(x=0)
    axes.set_xlabel("time (s)")
    axes.legend(loc="upper right", fontsize=8, ncols=2)
    figure.supylabel("mouth opening / face height")
    with writing(path, "openings", overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=110, format="png", metadata={"Software": mark("openings")})


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "undefined"
    if value == int(value) and abs(value) < 1e7:
        return str(int(value))
    return f"{value:.3g}" if abs(value) < 0.01 or abs(value) >= 1000 else f"{value:.3f}"


def _processor_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
