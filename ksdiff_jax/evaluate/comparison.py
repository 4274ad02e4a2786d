"""Several predictors on the same clips: every metric of one clip, its mean over clips, and the
interval.

    values[metric][predictor][i] = mean over the samples of clip i of the metric (`clip_metrics`)

The mean over clips has a bootstrap interval over clips (`intervals.clip_interval`). A clip for
which a metric is not defined, such as the closures of a clip without /p b m/, is left out for all
predictors of that line. Metrics of several samples of one clip are in the table, too:

| metric | unit | definition |
|---|---|---|
| Diversity between samples, axis-angle | rad | `pose.diversity_between_samples` |
| Diversity between samples, yaw, pitch and roll | ° | the same of `pose.hopenet_angles` |
| opening, difference between samples | mm | `pose.lip_difference_mm` of the first two |

They are undefined for the truth and the baselines, which are one motion.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from ksdiff_jax.data.schema import Clip
from ksdiff_jax.evaluate import pose
from ksdiff_jax.evaluate.articulation import face_part
from ksdiff_jax.evaluate.clip_metrics import METRICS, Metric
from ksdiff_jax.evaluate.course import Course, Heard, course_of, heard_in
from ksdiff_jax.evaluate.face_points import FacePoints
from ksdiff_jax.evaluate.intervals import Interval, clip_interval
from ksdiff_jax.evaluate.reference_motions import true_motions
from ksdiff_jax.evaluate.scores import FACE_GROUPS, POINT_GROUPS
from ksdiff_jax.evaluate.sync import judge, recorded_features
from ksdiff_jax.face import FaceModel
from ksdiff_jax.models.sync.expert import Expert
from ksdiff_jax.typing import Bool, Float

# For every predictor: of every clip its samples.
Samples = Mapping[str, Sequence[Float[np.ndarray, "n _ m"]]]


class SampleMetric(NamedTuple):
    """A metric of several samples of one clip; its fields are those of `Metric`."""

    name: str
    unit: str
    better: str
    group: str
    of: Callable[[Sequence[Course]], float]


SAMPLE_METRICS = (
    SampleMetric(
        "Diversity between samples, axis-angle",
        "rad",
        "↑",
        "pose",
        lambda courses: pose.diversity_between_samples(np.stack([c.rotation for c in courses])),
    ),
    SampleMetric(
        "Diversity between samples, yaw, pitch and roll",
        "°",
        "↑",
        "pose",
        lambda courses: pose.diversity_between_samples(
            pose.hopenet_angles(np.stack([c.rotation for c in courses]))
        ),
    ),
    SampleMetric(
        "opening, difference between samples",
        "mm",
        "↓",
        "lips",
        lambda courses: pose.lip_difference_mm(*(c.opening * c.height_m for c in courses[:2])),
    ),
)
SYNC = SampleMetric("sync confidence", "", "↑", "sync", lambda courses: math.nan)
SYNC_ACCURACY = SYNC._replace(name="sync accuracy, own pairs against shifted ones")


class Line(NamedTuple):
    """A metric with the values of every predictor, one for each clip; NaN where undefined."""

    metric: Metric | SampleMetric
    values: dict[str, Float[np.ndarray, "clips"]]

    def interval(self, predictor: str) -> Interval:
        """Return mean and interval over the clips that are defined for every predictor that has
        any.
        """
        known = [each for each in self.values.values() if not np.isnan(each).all()]
        common = ~np.isnan(np.array(known)).any(axis=0) if known else np.array([], bool)
        own = self.values[predictor]
        return clip_interval(own[common] if common.any() else own)


class Comparison(NamedTuple):
    """All lines, and the courses of the first sample of every clip, for plots."""

    lines: list[Line]
    courses: dict[str, list[Course]]
    left_out: dict[str, str]  # by metric: why it was not measured
    sync: Mapping[str, float] = MappingProxyType({})  # figures of the lip-sync model itself


def compare(
    clips: Sequence[Clip],
    samples: Samples,
    *,
    groups: Collection[str],
    face: FaceModel | None,
    points: FacePoints | None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Comparison:
    """Return the lines of `groups` for every predictor.

    Without a face, or without its points, the metrics that need them are left out and named. So is
    a metric whose library cannot be imported. `progress(done, total)` counts motions.
    """
    left_out = _without(groups, face, points)
    wanted = [m for m in (*METRICS, *SAMPLE_METRICS) if m.group in groups]
    shown = [metric for metric in wanted if metric.name not in left_out]
    part = face_part(face, ("lips", "upper_face")) if face else None
    values = {m.name: {name: np.full(len(clips), np.nan) for name in samples} for m in shown}
    courses: dict[str, list[Course]] = {name: [] for name in samples}
    truth, done = true_motions(clips), 0
    for number, clip in enumerate(clips):
        heard, true = heard_in(clip), course_of(truth[number], part, points)
        for name, series in samples.items():
            moved = [course_of(motion, part, points) for motion in series[number]]
            for metric in shown:
                if metric.name in left_out:
                    continue
                try:
                    values[metric.name][name][number] = _value(metric, moved, true, heard)
                except ImportError as error:
                    left_out[metric.name] = f"a part is not installed ({error})"
            courses[name].append(moved[0])
            done += 1
            progress(done, len(clips) * len(samples))
    if all(len(motions) < 2 for series in samples.values() for motions in series):
        names = (metric.name for metric in shown if isinstance(metric, SampleMetric))
        left_out |= dict.fromkeys(names, "needs two samples of each clip (--samples)")
    for name, of_predictors in values.items():
        if name not in left_out and all(np.isnan(each).all() for each in of_predictors.values()):
            left_out[name] = "not defined for any of these clips"
    lines = [Line(m, values[m.name]) for m in shown if m.name not in left_out]
    return Comparison(lines, courses, left_out)


def _value(
    metric: Metric | SampleMetric, moved: Sequence[Course], true: Course, heard: Heard
) -> float:
    """Return the mean of a metric over the samples of a clip, or that of all samples together."""
    if isinstance(metric, SampleMetric):
        return metric.of(moved) if len(moved) > 1 else math.nan
    return float(np.mean([metric.of(course, true, heard) for course in moved]))


def sync_lines(expert: Expert, clips: Sequence[Clip], samples: Samples) -> list[Line]:
    """Return the mean confidence of a lip-sync model in the first sample of every clip, and the
    share of trials that it wins, over the spoken windows; NaN for a clip without one.
    """
    confidence, accuracy = {}, {}
    features = recorded_features(expert, clips)
    for name, series in samples.items():
        first = [motions[0] for motions in series]
        judged = judge(expert, clips, first, features=features)
        confidence[name] = np.array([mean_of(j.probability, j.spoken) for j in judged])
        accuracy[name] = np.array([mean_of(j.won, j.spoken) for j in judged])
    return [Line(SYNC, confidence), Line(SYNC_ACCURACY, accuracy)]


def mean_of(values: Float[np.ndarray, "w"], counted: Bool[np.ndarray, "w"]) -> float:
    """Return the mean of the counted values that are defined; NaN without one."""
    kept = values[counted & np.isfinite(values)]
    return float(kept.mean()) if len(kept) else math.nan


def best_and_worst(found: Comparison, predictor: str) -> list[int]:
    """Return the numbers of the clips from the worst to the best one of a predictor, by the
    correlation of the opening, or by the first metric that is measured; empty without one.
    """
    lines = {line.metric.name: line for line in found.lines}
    line = lines.get("opening r", found.lines[0] if found.lines else None)
    if line is None:
        return []
    values = line.values[predictor]
    order = np.argsort(values if line.metric.better == "↑" else -values)
    return [int(number) for number in order if not np.isnan(values[number])]


def _without(
    groups: Collection[str], face: FaceModel | None, points: FacePoints | None
) -> dict[str, str]:
    """Return the metrics that cannot be measured, and why."""
    reasons = {}
    if face is None:
        reasons |= dict.fromkeys(FACE_GROUPS, "needs a face of the data's motion space (--face)")
        del reasons["pose"]  # only its difference of openings needs the face
    elif points is None:
        reasons |= dict.fromkeys(POINT_GROUPS, "needs the landmarks of the face (--landmarks)")
    return {
        metric.name: reasons[metric.group]
        for metric in (*METRICS, *SAMPLE_METRICS)
        if metric.group in groups and metric.group in reasons
    }
