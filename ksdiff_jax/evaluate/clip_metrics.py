"""The metrics of one clip, each with its unit, the direction that papers read as better, and
whether it needs the true motion.

`of(moved, true, heard)` is the score of a motion; `true` is the course of the true motion, `heard`
the speech. The definitions are in the modules that compute them. A metric of ours that serves the
purpose of a paper's metric stands below it. Figures of several samples of one clip (diversity
between samples, share of the speech in the head's speed) are not among them, because the truth is
one sample.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from ksdiff_jax.evaluate import beats, lips, pose
from ksdiff_jax.evaluate.course import Course, Heard
from ksdiff_jax.evaluate.head_speech import clip_pause_ratio
from ksdiff_jax.evaluate.jitter import head_jitter, jitter, log_ratio
from ksdiff_jax.evaluate.keyframes import match_keyframes
from ksdiff_jax.evaluate.mouth_landmarks import landmark_distance
from ksdiff_jax.evaluate.silence import silence_ratio, silence_speed
from ksdiff_jax.evaluate.spectrum import spectrum_distance
from ksdiff_jax.evaluate.speech_level import head_level_correlation, opening_level_correlation
from ksdiff_jax.evaluate.warping import warped_distance

WINDOW_FRAMES = 8  # of the warped distance


class Metric(NamedTuple):
    """A metric of one clip."""

    name: str
    unit: str
    better: str  # "↑" or "↓"
    group: str  # of `scores.GROUPS`
    of: Callable[[Course, Course, Heard], float]
    against_truth: bool = False
    ours: bool = False


def _fdd(moved: Course, true: Course, heard: Heard) -> float:
    found = lips.dynamics_deviation(moved.upper_face, true.upper_face, true.resting)
    return 1e6 * abs(found.squared_m2)


def _warped(moved: Course, true: Course, heard: Heard, *, reach: int | None) -> float:
    return 1000 * warped_distance(
        moved.opening * moved.height_m, true.opening * true.height_m, reach_frames=reach
    )


def _precision(moved: Course, true: Course, heard: Heard) -> float:
    right, shut = lips.justified_closures(*(lips.closed_frames(c.opening) for c in (moved, true)))
    return right / shut if shut else 0.0


def _keyframes(
    moved: Course, true: Course, heard: Heard, *, track: int, share: str = "f1"
) -> float:
    found = match_keyframes(moved.keyframes[:, track], true.keyframes[:, track])
    return getattr(found, share) if found.true else float("nan")


def _blink_rate(moved: Course, true: Course, heard: Heard) -> float:
    return abs(moved.blinks - true.blinks) * heard.fps / len(true.opening)


def _closure_rate(moved: Course, true: Course, heard: Heard) -> float:
    found = lips.closures(moved.opening, heard.bilabials)
    return found.closed / found.intervals if found.intervals else float("nan")


def _beat_align(moved: Course, true: Course, heard: Heard, **options) -> float:
    return beats.beat_alignment(heard.audio, moved.rotation, **options)


def _diversity(course: Course) -> float:
    return pose.diversity_over_time(course.rotation)


def _lip_jitter(course: Course, heard: Heard) -> float:
    return jitter(course.lips, fps=heard.fps)


def _head_jitter(course: Course, heard: Heard) -> float:
    return head_jitter(course.rotation, fps=heard.fps)


METRICS = (
    Metric(
        "LVE, mean of squares",
        "mm²",
        "↓",
        "lips",
        lambda m, t, h: 1e6 * lips.lip_vertex_error(m.lips, t.lips).squared_m2,
        against_truth=True,
    ),
    Metric(
        "LVE, root of the mean of squares",
        "mm",
        "↓",
        "lips",
        lambda m, t, h: 1000 * lips.lip_vertex_error(m.lips, t.lips).root_m,
        against_truth=True,
    ),
    Metric(
        "LVE, mean of distances",
        "mm",
        "↓",
        "lips",
        lambda m, t, h: 1000 * lips.lip_vertex_error(m.lips, t.lips).distance_m,
        against_truth=True,
    ),
    Metric(
        "LMD",
        "mm",
        "↓",
        "landmarks",
        lambda m, t, h: landmark_distance(m.mouth, t.mouth),
        against_truth=True,
    ),
    Metric("FDD, without its sign", "mm²", "↓", "upper_face", _fdd, against_truth=True),
    Metric(
        "opening r",
        "",
        "↑",
        "lips",
        lambda m, t, h: lips.pearson(m.opening, t.opening),
        against_truth=True,
    ),
    Metric("opening, warped", "mm", "↓", "lips", partial(_warped, reach=None), against_truth=True),
    Metric(
        f"opening, warped by {WINDOW_FRAMES} frames at most",
        "mm",
        "↓",
        "lips",
        partial(_warped, reach=WINDOW_FRAMES),
        against_truth=True,
        ours=True,
    ),
    Metric("closure precision", "", "↑", "lips", _precision, against_truth=True),
    Metric("closure rate of /p b m/", "", "↑", "lips", _closure_rate),
    Metric(
        "closures above chance",
        "",
        "↑",
        "lips",
        lambda m, t, h: lips.closure_above_chance(m.opening, h.bilabials),
        ours=True,
    ),
    Metric(
        "opening with the level, r",
        "",
        "↑",
        "lips",
        lambda m, t, h: opening_level_correlation(m.opening, h.level),
        ours=True,
    ),
    Metric(
        "mouth speed in pauses",
        "1/s",
        "↓",
        "lips",
        lambda m, t, h: silence_speed(m.opening, h.pauses, fps=h.fps),
    ),
    Metric(
        "mouth speed in pauses over speech",
        "",
        "↓",
        "lips",
        lambda m, t, h: silence_ratio(m.opening, h.pauses, fps=h.fps),
        ours=True,
    ),
    Metric("jitter of the lips", "m/s³", "↓", "lips", lambda m, t, h: _lip_jitter(m, h)),
    Metric(
        "jitter of the lips, distance from the truth's",
        "octaves",
        "↓",
        "lips",
        lambda m, t, h: log_ratio(_lip_jitter(m, h), _lip_jitter(t, h)),
        against_truth=True,
        ours=True,
    ),
    Metric("blink rate, difference", "Hz", "↓", "blinks", _blink_rate, against_truth=True),
    Metric(
        "keyframe precision, head without the jaw",
        "",
        "↑",
        "keyframes",
        partial(_keyframes, track=2, share="precision"),
        against_truth=True,
    ),
    Metric(
        "keyframe recall, head without the jaw",
        "",
        "↑",
        "keyframes",
        partial(_keyframes, track=2, share="recall"),
        against_truth=True,
    ),
    Metric(
        "keyframe F1, expression",
        "",
        "↑",
        "keyframes",
        partial(_keyframes, track=0),
        against_truth=True,
    ),
    Metric(
        "keyframe F1, head with the jaw",
        "",
        "↑",
        "keyframes",
        partial(_keyframes, track=1),
        against_truth=True,
    ),
    Metric(
        "keyframe F1, head without the jaw",
        "",
        "↑",
        "keyframes",
        partial(_keyframes, track=2),
        against_truth=True,
    ),
    Metric("Diversity, axis-angle", "rad", "↑", "pose", lambda m, t, h: _diversity(m)),
    Metric(
        "Diversity, yaw, pitch and roll",
        "°",
        "↑",
        "pose",
        lambda m, t, h: pose.diversity_over_time(pose.hopenet_angles(m.rotation)),
    ),
    Metric(
        "Diversity, distance from the truth's",
        "octaves",
        "↓",
        "pose",
        lambda m, t, h: log_ratio(_diversity(m), _diversity(t)),
        against_truth=True,
        ours=True,
    ),
    Metric(
        "head spectrum, distance",
        "Hz",
        "↓",
        "head",
        lambda m, t, h: spectrum_distance(m.rotation, t.rotation, fps=h.fps),
        against_truth=True,
        ours=True,
    ),
    Metric("Beat Align", "", "↑", "beats", _beat_align),
    Metric(
        "Beat Align without smoothing", "", "↑", "beats", partial(_beat_align, smoothing_frames=0.0)
    ),
    Metric(
        "Beat Align, beats of the level",
        "",
        "↑",
        "beats",
        partial(_beat_align, source=beats.level_beats),
    ),
    Metric(
        "head speed with the level, r",
        "",
        "↑",
        "head",
        lambda m, t, h: head_level_correlation(m.rotation, h.level),
        ours=True,
    ),
    Metric(
        "head speed in pauses over speech",
        "",
        "↓",
        "head",
        lambda m, t, h: clip_pause_ratio(m.rotation, h.pauses),
        ours=True,
    ),
    Metric("jitter of the head", "°/s³", "↓", "head", lambda m, t, h: _head_jitter(m, h)),
    Metric(
        "jitter of the head, distance from the truth's",
        "octaves",
        "↓",
        "head",
        lambda m, t, h: log_ratio(_head_jitter(m, h), _head_jitter(t, h)),
        against_truth=True,
        ours=True,
    ),
)
