"""Samplers and numbers of steps against 50 steps of DDIM: a table, and a choice by a fixed rule.

A row is a sampler with its spacing and its number of steps. Every figure is the change against the
reference row, paired: both rows sample the same clips from the same noise. With x of a clip and
sample and w the same of the reference,

    change = Σ (x_row − x_reference) / Σ w

over clips and samples. Its 95 % interval (`crossed_interval`) contains how clips and how samples
differ, by the linearisation of a ratio. With fewer than five clips it has no bounds.

| figure | x of a clip and sample |
|---|---|
| opening r, jaw r | correlation with the true opening and the true jaw rotation |
| closure | number of /p b m/ in which the lips close |
| amplitude | standard deviation of the opening |
| speed | mean absolute change of the opening from frame to frame |
| head speed | mean angular speed of the head |
| head 50 %, 90 % | frequency below which half, or 90 %, of the power of the head's rotation lies |
| FDD | S(truth) − S(motion) of the upper face (`lips.dynamics_deviation`, m²); w is S(truth) |

FDD is near zero in a good model, so its change is in units of the true dynamics.

The rule: of the rows whose intervals are within ±3 % for every figure, the one with the fewest
steps; of several, the one whose widest bound is nearest to zero. It is the reference if there is no
other. A figure that is undefined in the reference does not count.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.evaluate import lips
from ksdiff_jax.evaluate.articulation import Articulation, articulate, face_part
from ksdiff_jax.evaluate.intervals import FEWEST_CLIPS, Interval, crossed_interval
from ksdiff_jax.evaluate.pose import angular_speed
from ksdiff_jax.evaluate.spectrum import power_band
from ksdiff_jax.face import FaceModel, face_height
from ksdiff_jax.motion import space
from ksdiff_jax.typing import Float

WITHIN = 0.03
RULE = (
    f"of the rows whose intervals are within {WITHIN:.0%} of the reference for every figure: the "
    "fewest steps, then the widest bound that is nearest to zero"
)
TITLES = {
    "opening_r": "opening r",
    "jaw_r": "jaw r",
    "closure": "closure",
    "amplitude": "amplitude",
    "speed": "speed",
    "head_speed": "head speed",
    "head_half_hz": "head 50 %",
    "head_most_hz": "head 90 %",
    "fdd": "FDD",
}


class Options(NamedTuple):
    """The options of a row."""

    sampler: str
    spacing: str
    steps: int

    def __str__(self) -> str:
        return f"{self.sampler}, {self.spacing}, {self.steps} steps"


REFERENCE = Options("ddim", "trailing", 50)


class Row(NamedTuple):
    """The figures x of one row by name, of every clip and sample."""

    options: Options
    values: dict[str, Float[np.ndarray, "clips samples"]]


class Truth(NamedTuple):
    """What every row is compared with, computed once."""

    part: FaceModel
    clips: Sequence[Clip]
    moving: list[Articulation]
    dynamics_m2: list[float]  # S of the upper face


def truth_of(face: FaceModel, clips: Sequence[Clip]) -> Truth:
    """Return the true lips and upper faces of clips in the motion space of the face."""
    part = face_part(face, ("lips", "upper_face"))
    moving = [articulate(part, motion_of_clip(clip)) for clip in clips]
    return Truth(part, clips, moving, [_dynamics(part, each) for each in moving])


def row_of(
    options: Options, motions: Sequence[Sequence[Float[np.ndarray, "_ 59"]]], truth: Truth
) -> Row:
    """Return the row of the samples of every clip."""
    each = [
        [_figures(np.asarray(motion, np.float64), place, truth) for motion in samples]
        for place, samples in enumerate(motions)
    ]
    values = {name: np.array([[s[name] for s in samples] for samples in each]) for name in TITLES}
    return Row(options, values)


def _figures(motion: Float[np.ndarray, "t 59"], place: int, truth: Truth) -> dict[str, float]:
    clip, true, height_m = truth.clips[place], truth.moving[place], face_height(truth.part)
    fps = float(clip.fps)
    found = articulate(truth.part, motion.astype(np.float32))
    spans = lips.bilabial_frames(clip.phonemes, frames=clip.frames, fps=fps)
    rotation = motion[:, space.ROTATION]
    band = power_band(rotation, fps=fps)
    return {
        "opening_r": lips.pearson(found.opening, true.opening),
        "jaw_r": lips.pearson(motion[:, space.JAW.start], clip.jaw[:, 0]),
        "closure": float(lips.closures(found.opening / height_m, spans).closed),
        "amplitude": float(found.opening.std()),
        "speed": float(np.abs(np.diff(found.opening)).mean()),
        "head_speed": float(angular_speed(rotation, fps=fps).mean()),
        "head_half_hz": band.half_hz,
        "head_most_hz": band.most_hz,
        "fdd": truth.dynamics_m2[place] - _dynamics(truth.part, found),
    }


def _dynamics(part: FaceModel, moving: Articulation) -> float:
    """Return S(motion) of the upper face, m²."""
    template = np.asarray(part.template[part.regions["upper_face"]])
    return -lips.dynamics_deviation(
        moving.upper_face, np.repeat(template[None], len(moving.upper_face), axis=0), template
    ).squared_m2


def changes(row: Row, reference: Row, truth_m2: Sequence[float]) -> dict[str, Interval]:
    """Return the change of every figure against the reference; undefined without a reference value.

    `truth_m2` is S of the true upper face of every clip. Clips with an undefined value in either
    row are left out of a figure.
    """
    found = {}
    for name in TITLES:
        mine, theirs = row.values[name], reference.values[name]
        wholes = theirs
        if name == "fdd":
            wholes = np.repeat(np.asarray(truth_m2)[:, None], mine.shape[1], axis=1)
        defined = np.isfinite(mine + theirs).all(axis=1)
        found[name] = _change(mine[defined], theirs[defined], wholes[defined])
    return found


def _change(
    mine: Float[np.ndarray, "n k"], theirs: Float[np.ndarray, "n k"], wholes: np.ndarray
) -> Interval:
    if not wholes.sum() > 0:
        return Interval(math.nan, math.nan, math.nan, len(wholes))
    ratio = float((mine - theirs).sum() / wholes.sum())
    if len(wholes) < FEWEST_CLIPS:
        return Interval(ratio, -math.inf, math.inf, len(wholes))
    spread = crossed_interval(mine - theirs - ratio * wholes)
    reach = (spread.high - spread.mean) / wholes.mean()
    return Interval(ratio, ratio - reach, ratio + reach, len(wholes))


def furthest(found: dict[str, Interval]) -> float:
    """Return the bound of any defined figure that is furthest from zero; infinite if an interval
    has no bounds.
    """
    bounds = [max(-each.low, each.high) for each in found.values() if not math.isnan(each.mean)]
    return max(bounds, default=math.inf)


def chosen(rows: Sequence[Row], truth_m2: Sequence[float]) -> Row:
    """Return the row that the rule of the module's docstring chooses."""
    reference = reference_of(rows)
    able = [reference]
    for row in rows:
        found = changes(row, reference, truth_m2)
        if row is not reference and furthest(found) <= WITHIN:
            able.append(row)

    def cost(row: Row) -> tuple[int, float]:
        return row.options.steps, furthest(changes(row, reference, truth_m2))

    return min(able, key=cost)


def reference_of(rows: Sequence[Row]) -> Row:
    """Return the row of 50 steps of DDIM. Raise `ValueError` if there is none."""
    found = next((row for row in rows if row.options == REFERENCE), None)
    if found is None:
        raise ValueError(f"no row of the reference, {REFERENCE}")
    return found


def markdown(
    rows: Sequence[Row],
    truth_m2: Sequence[float],
    *,
    times: dict[Options, tuple[float, float, float]],
    shipped: Options,
    choice: Row | None,
) -> str:
    """Return the table of changes in percent; times are those of the reference's, median and
    extremes of interleaved runs.
    """
    reference = reference_of(rows)
    lines = [
        "| sampler | spacing | steps | time | " + " | ".join(TITLES.values()) + " | |",
        "|---|---|---|---|" + "---|" * (len(TITLES) + 1),
    ]
    for row in rows:
        own = {"reference": row is reference, "checkpoint's": row.options == shipped}
        own["chosen"] = choice is not None and row.options == choice.options
        took = times.get(row.options)
        cells = [*map(str, row.options)]
        cells.append("{:.2f} [{:.2f}, {:.2f}]".format(*took) if took else "")
        found = changes(row, reference, truth_m2)
        cells += ["0" if row is reference else shown(found[name]) for name in TITLES]
        marks = ", ".join(name for name, holds in own.items() if holds)
        lines.append(f"| {' | '.join(cells)} | {marks} |")
    return "\n".join(lines)


def shown(change: Interval) -> str:
    """Return a change in percent with its interval as text."""
    if math.isnan(change.mean):
        return "undefined"
    if not math.isfinite(change.low):
        return f"{100 * change.mean:+.1f} %"
    return f"{100 * change.mean:+.1f} [{100 * change.low:+.1f}, {100 * change.high:+.1f}] %"


def as_json(row: Row) -> dict:
    """Return a row for a JSON file; values that are not finite are null."""
    values = {
        name: [[float(x) if math.isfinite(x) else None for x in clip] for clip in of_clips]
        for name, of_clips in row.values.items()
    }
    return row.options._asdict() | {"values": values}


def from_json(content: dict) -> Row:
    """Return the row of `as_json`."""
    values = {
        name: np.array([[math.nan if x is None else x for x in clip] for clip in of_clips])
        for name, of_clips in content["values"].items()
    }
    return Row(Options(*(content[name] for name in Options._fields)), values)
