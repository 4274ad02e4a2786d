"""The mouth under several sampling options: a table over guidance and lip temperature, and a choice
by a fixed rule.

A row is one pair of options. Its figures have 95 % intervals over clips; samples of one clip are
averaged first, because they share the speech.

| figure | of a row |
|---|---|
| opening, jaw | mean over clips of the correlation with the true opening and jaw rotation |
| LVE ratio | sum over frames of the squared lip error, over that of the best constant pose |
| closure | share of the /p b m/ in which the lips close |
| precision | share of the closed frames that are within a frame of a truly closed one |
| amplitude | sum over clips of the opening's standard deviation, over the true sum |

Ratios of sums have the interval of `ratio_interval`, that of a share cut at 0 and 1; correlations
have a t interval.

The rule, in this order:

1. Rows with closure ≥ 0.90 and amplitude in 0.8 to 1.25 are candidates; all rows if there is none.
2. The best candidate has the highest mean correlation of the opening.
3. Candidates whose paired difference to it, clip by clip, has an interval that includes zero are
   as good. The one of these with the lowest LVE ratio is chosen.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.evaluate import lips
from ksdiff_jax.evaluate.articulation import Articulation, articulate, face_part
from ksdiff_jax.evaluate.baselines import best_constant_lips
from ksdiff_jax.evaluate.intervals import (
    FEWEST_CLIPS,
    Interval,
    difference_interval,
    ratio_interval,
    share_interval,
    t_interval,
)
from ksdiff_jax.evaluate.prediction import Prediction
from ksdiff_jax.face import FaceModel, face_height
from ksdiff_jax.motion import space
from ksdiff_jax.typing import Float

CLOSURE, AMPLITUDE = 0.90, (0.8, 1.25)  # of a candidate
RULE = (
    f"of the rows with closure >= {CLOSURE:.2f} and amplitude {AMPLITUDE[0]:g} to "
    f"{AMPLITUDE[1]:g} (all rows if there is none): the lowest LVE ratio among those whose opening "
    "correlation is not resolved from the highest (paired 95 % interval over clips)"
)
TITLES = {
    "opening_correlation": "opening r",
    "jaw_correlation": "jaw r",
    "lve_ratio": "LVE ratio",
    "closure_rate": "closure",
    "closure_precision": "precision",
    "amplitude_ratio": "amplitude",
}


class Options(NamedTuple):
    """The options of a row."""

    guidance: float
    lip_temperature: float


class Row(NamedTuple):
    """Figures of one pair of options, and the opening's correlation of every clip for paired
    differences.
    """

    options: Options
    figures: dict[str, Interval]
    of_clips: list[float]


class TrueMouths(NamedTuple):
    """What every row is compared with, computed once."""

    part: FaceModel
    clips: Sequence[Clip]
    moving: list[Articulation]
    constant_m2: list[float]  # per clip: squared lip error of the best constant pose, summed


def true_mouths(face: FaceModel, clips: Sequence[Clip]) -> TrueMouths:
    """Return the true mouths of clips in the motion space of the face."""
    part = face_part(face)
    moving = [articulate(part, motion_of_clip(clip)) for clip in clips]
    resting = part.template[part.regions["lips"]]
    best = best_constant_lips(np.concatenate([t.lips for t in moving]), candidates=(resting,))
    constant = [float(lips.squared_lip_error(t.lips, best).sum()) for t in moving]
    return TrueMouths(part, clips, moving, constant)


def table_row(options: Options, predictions: Sequence[Prediction], truth: TrueMouths) -> Row:
    """Return the row of predictions that were sampled with these options."""
    each = [
        np.mean([_sums(motion, place, truth) for motion in prediction.motion], axis=0)
        for place, prediction in enumerate(predictions)
    ]
    opening, jaw, error, closed, right, shut, moved = np.transpose(each)
    spans = [
        lips.bilabial_frames(c.phonemes, frames=c.frames, fps=float(c.fps)) for c in truth.clips
    ]
    figures = {
        "opening_correlation": _of_defined(opening),
        "jaw_correlation": _of_defined(jaw),
        "lve_ratio": _ratio(error, truth.constant_m2),
        "closure_rate": share_interval(closed, list(map(len, spans))),
        "closure_precision": share_interval(right, shut),
        "amplitude_ratio": _ratio(moved, [t.opening.std() for t in truth.moving]),
    }
    return Row(options, figures, opening.tolist())


def _sums(
    motion: Float[np.ndarray, "t m"], place: int, truth: TrueMouths
) -> Float[np.ndarray, "7"]:
    """Return of one sample of clip `place`: both correlations, the summed squared error, closed
    /p b m/, justified and all closed frames, and the standard deviation of the opening.
    """
    clip, true, height_m = truth.clips[place], truth.moving[place], face_height(truth.part)
    found = articulate(truth.part, motion)
    spans = lips.bilabial_frames(clip.phonemes, frames=clip.frames, fps=float(clip.fps))
    shut = [lips.closed_frames(moving.opening / height_m) for moving in (found, true)]
    numbers = [
        lips.pearson(found.opening, true.opening),
        lips.pearson(motion[:, space.JAW.start], clip.jaw[:, 0]),
        lips.squared_lip_error(found.lips, true.lips).sum(),
        lips.closures(found.opening / height_m, spans).closed,
        *lips.justified_closures(*shut),
        found.opening.std(),
    ]
    return np.array(numbers, np.float64)


def _of_defined(values: Float[np.ndarray, "n"]) -> Interval:
    defined = values[np.isfinite(values)]
    found = t_interval(defined if defined.size else [math.nan])
    return found._replace(low=max(found.low, -1.0), high=min(found.high, 1.0))  # a correlation


def _ratio(parts: Float[np.ndarray, "n"], wholes: ArrayLike) -> Interval:
    wholes = np.asarray(wholes, np.float64)
    if not wholes.sum() > 0:
        return Interval(math.nan, math.nan, math.nan, len(wholes))
    return ratio_interval(parts, wholes)


def chosen(rows: Sequence[Row]) -> Row:
    """Return the row that the rule of the module's docstring chooses."""

    def mean(row: Row, figure: str) -> float:
        value = row.figures[figure].mean
        return value if math.isfinite(value) else -math.inf

    low, high = AMPLITUDE
    able = [
        row
        for row in rows
        if mean(row, "closure_rate") >= CLOSURE and low <= mean(row, "amplitude_ratio") <= high
    ]
    candidates = able or list(rows)
    best = max(candidates, key=lambda row: mean(row, "opening_correlation"))
    good = [row for row in candidates if row is best or not _is_worse(row, best)]
    return min(good, key=lambda row: row.figures["lve_ratio"].mean)


def _is_worse(row: Row, best: Row) -> bool:
    pairs = [pair for pair in zip(row.of_clips, best.of_clips, strict=True) if all(map(_ok, pair))]
    if not pairs:
        return True
    mine, others = zip(*pairs, strict=True)
    return difference_interval(mine, others).high < 0


def _ok(value: float) -> bool:
    return math.isfinite(value)


def markdown(rows: Sequence[Row], *, shipped: Options, choice: Row | None = None) -> str:
    """Return the table; the checkpoint's own options and the chosen row are marked."""
    lines = [
        "| guidance | lip temperature | " + " | ".join(TITLES.values()) + " | |",
        "|---|---|" + "---|" * (len(TITLES) + 1),
    ]
    for row in rows:
        marks = [
            name
            for name, holds in (
                ("checkpoint's", row.options == shipped),
                ("plain", row.options == Options(1.0, 1.0)),
                ("chosen", choice is not None and row.options == choice.options),
            )
            if holds
        ]
        cells = [f"{value:g}" for value in row.options]
        cells += [shown(row.figures[name]) for name in TITLES]
        lines.append("| " + " | ".join([*cells, ", ".join(marks)]) + " |")
    return "\n".join(lines)


def shown(interval: Interval) -> str:
    """Return a figure with its interval as text."""
    if not math.isfinite(interval.mean):
        return "undefined"
    known = math.isfinite(interval.low) and interval.count >= FEWEST_CLIPS
    bounds = f" [{interval.low:.3f}, {interval.high:.3f}]" if known else ""
    return f"{interval.mean:.3f}{bounds}"


def as_json(row: Row) -> dict:
    """Return a row for a JSON file; values that are not finite are null."""

    def finite(values: Sequence[float]) -> list[float | None]:
        return [float(value) if math.isfinite(value) else None for value in values]

    figures = {
        name: dict(zip(("mean", "low", "high"), finite(interval[:3]), strict=True))
        | {"clips": interval.count}
        for name, interval in row.figures.items()
    }
    return row.options._asdict() | {"figures": figures, "opening_r_of_clips": finite(row.of_clips)}


def from_json(content: dict) -> Row:
    """Return the row of `as_json`."""

    def number(value: float | None, missing: float = math.nan) -> float:
        return missing if value is None else float(value)

    figures = {}
    for name, of in content["figures"].items():
        low, high = number(of["low"], -math.inf), number(of["high"], math.inf)
        figures[name] = Interval(number(of["mean"]), low, high, int(of["clips"]))
    options = Options(*(float(content[name]) for name in Options._fields))
    return Row(options, figures, [number(value) for value in content["opening_r_of_clips"]])
