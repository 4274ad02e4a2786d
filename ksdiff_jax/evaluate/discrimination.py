"""What a metric can tell: whether it ranks the true motion of a clip before motions that are wrong
(`controls`).

    outcome of a clip = 1 if the truth scores better, 0 if the control does, 1/2 for a tie
    share             = mean outcome over clips, with its bootstrap interval over clips (95 %)

| verdict | |
|---|---|
| tells | the interval is above `CHANCE` |
| fooled | the interval is below it: the metric ranks the control before the truth |
| cannot tell | the interval contains it |
| undefined | no clip has a score for both |

The rule was fixed before any share was measured. It is meant for `ENOUGH_CLIPS` clips or more, and
at chance one cell in forty tells. If all outcomes are wins (or all losses), no bootstrap sample
differs, so the bound is that of the binomial: 0.025^(1/n). Scores that differ by less than
`EQUAL` of the larger one, or of the unit if both are below it, are a tie.

A metric against the truth, such as LVE, compares the truth with itself and is perfect there; what
it shows is which controls are perfect too. With `late_frames` the truth is played late, its first
frame repeated, and still compared with itself at the right time: a slight flaw, which a metric
should forgive before it forgives a wrong motion. A metric of the motion alone, or of motion and
speech, has no advantage from the start.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.evaluate.articulation import face_part
from ksdiff_jax.evaluate.clip_metrics import METRICS, Metric
from ksdiff_jax.evaluate.controls import Motions, control_motions, late
from ksdiff_jax.evaluate.course import course_of, heard_in
from ksdiff_jax.evaluate.face_points import points_of
from ksdiff_jax.evaluate.intervals import Interval, bootstrap_interval
from ksdiff_jax.evaluate.sync import judge, recorded_features
from ksdiff_jax.face import FaceModel
from ksdiff_jax.models.sync.expert import Expert
from ksdiff_jax.typing import Float

CHANCE = 0.5
ENOUGH_CLIPS = 30
EQUAL = 1e-5
TRUTH = "truth"
SYNC = Metric("sync confidence", "", "↑", "sync", lambda moved, true, heard: np.nan, ours=True)

Scores = Mapping[str, Float[np.ndarray, "clips"]]  # of the truth and of every control


class Cell(NamedTuple):
    """A metric against a control."""

    share: Interval
    verdict: str


class Line(NamedTuple):
    """A metric: its median score of the truth, and a cell for every control."""

    metric: Metric
    truth: float
    cells: dict[str, Cell]


def discriminate(
    clips: Sequence[Clip],
    *,
    face: FaceModel,
    mean: Float[np.ndarray, "m"],
    expert: Expert | None = None,
    late_frames: int = 0,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Line]:
    """Return a line for every metric of `METRICS`, and one for a lip-sync model if given.

    `mean` is the pose of the control "still", `progress(done, total)` counts motions. Raise
    `InputError` for fewer than two clips.
    """
    truth = [motion_of_clip(clip).astype(np.float32) for clip in clips]
    controls = control_motions(truth, mean=mean, seed=seed)
    motions = {TRUTH: [late(motion, late_frames) for motion in truth]} | controls
    found = _scores(clips, motions, face=face, progress=progress)
    lines = [line_of(metric, scores) for metric, scores in zip(METRICS, found, strict=True)]
    if expert is not None:
        lines.append(line_of(SYNC, sync_scores(expert, clips, motions)))
    return lines


def _scores(
    clips: Sequence[Clip],
    motions: Mapping[str, Motions],
    *,
    face: FaceModel,
    progress: Callable[[int, int], None],
) -> list[dict[str, Float[np.ndarray, "clips"]]]:
    """Return for every metric the scores of the truth and of every control."""
    part, points = face_part(face, ("lips", "upper_face")), points_of(face, None)
    table = np.empty((len(METRICS), len(motions), len(clips)))
    for number, clip in enumerate(clips):
        heard = heard_in(clip)
        true = course_of(motion_of_clip(clip).astype(np.float32), part, points)
        for place, series in enumerate(motions.values()):
            moved = course_of(series[number], part, points)
            table[:, place, number] = [metric.of(moved, true, heard) for metric in METRICS]
            progress(number * len(motions) + place + 1, table[0].size)
    return [dict(zip(motions, rows, strict=True)) for rows in table]


def sync_scores(
    expert: Expert, clips: Sequence[Clip], motions: Mapping[str, Motions]
) -> dict[str, Float[np.ndarray, "clips"]]:
    """Return the mean confidence of a lip-sync model in every motion, over its spoken windows; NaN
    for a clip without one.
    """
    found, features = {}, recorded_features(expert, clips)
    for name, series in motions.items():
        judged = judge(expert, clips, series, features=features)
        found[name] = np.array(
            [j.probability[j.spoken].mean() if j.spoken.any() else np.nan for j in judged]
        )
    return found


def line_of(metric: Metric, scores: Scores) -> Line:
    """Return the line of a metric."""
    truth = scores[TRUTH]
    defined = truth[~np.isnan(truth)]
    cells = {
        name: cell_of(outcomes(truth, control, better=metric.better))
        for name, control in scores.items()
        if name != TRUTH
    }
    return Line(metric, float(np.median(defined)) if len(defined) else float("nan"), cells)


def outcomes(
    truth: Float[np.ndarray, "n"], control: Float[np.ndarray, "n"], *, better: str
) -> Float[np.ndarray, "n"]:
    """Return the outcome of every clip, NaN where a score is undefined; `better` is "↑" or "↓"."""
    with np.errstate(invalid="ignore"):
        size = np.maximum(np.maximum(np.abs(truth), np.abs(control)), 1.0)
        equal = (truth == control) | (np.abs(truth - control) <= EQUAL * size)
        wins = truth > control if better == "↑" else truth < control
    found = np.where(equal & np.isfinite(size), 0.5, wins.astype(float))
    return np.where(np.isnan(truth) | np.isnan(control), np.nan, found)


def cell_of(found: Float[np.ndarray, "n"]) -> Cell:
    """Return the share of the truth's wins and the verdict."""
    found = found[~np.isnan(found)]
    if not len(found):
        nothing = float("nan")
        return Cell(Interval(nothing, nothing, nothing, 0), "undefined")
    share = bootstrap_interval(found)
    if share.mean in (0.0, 1.0):
        bound = 0.025 ** (1 / len(found))
        low, high = (bound, 1.0) if share.mean else (0.0, 1 - bound)
        share = share._replace(low=low, high=high)
    if share.low > CHANCE:
        return Cell(share, "tells")
    return Cell(share, "fooled" if share.high < CHANCE else "cannot tell")
