"""Scores of predictions against their clips, as one flat dictionary of numbers.

| group | figures |
|---|---|
| lips | LVE variants, best constant pose and the ratio to it, correlations, closures |
| lips | warped distance of the opening, jitter of the lips, movement of the mouth in pauses |
| upper_face | FDD |
| landmarks | LMD: distance of the mouth's landmarks |
| blinks | blinks a second and how long they last, of prediction and truth |
| keyframes | precision, recall, F1 of both tracks; F1 of random and fixed-interval predictors |
| keyframes | F1 of the head against targets with and without the jaw |
| pose | diversity of the head over time and between samples, lip difference of two samples |
| beats | Beat Align of prediction and truth |
| head | speed, jitter and spectrum of the head, and what of it depends on the speech |

A correlation without a qualifier is the mean over clips; `_pooled` is over all frames together. LVE
and its best constant pose are over all frames of the split, so long clips have more weight.
Undefined terms (the correlation with a constant truth, the beats of silence) are left out of the
means.
"""

from collections.abc import Collection, Sequence

import jax
import numpy as np

from ksdiff_jax.audio.waveform import from_int16
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.evaluate import beats, blinks, keyframes, lips, pose
from ksdiff_jax.evaluate.articulation import Articulation, articulate, face_part
from ksdiff_jax.evaluate.baselines import best_constant_lips, constant_lip_error
from ksdiff_jax.evaluate.face_points import FacePoints, moving_points, points_of
from ksdiff_jax.evaluate.head_speech import head_figures, pauses_of
from ksdiff_jax.evaluate.intervals import bounded, share_interval, t_interval
from ksdiff_jax.evaluate.jitter import jitter
from ksdiff_jax.evaluate.mouth_landmarks import landmark_figures
from ksdiff_jax.evaluate.prediction import Prediction
from ksdiff_jax.evaluate.silence import silence_ratio, silence_speed
from ksdiff_jax.evaluate.warping import warped_distance
from ksdiff_jax.face import FaceModel, builtin_face, check_face, face_height
from ksdiff_jax.models.ksdiff.config import KeyframeConfig
from ksdiff_jax.motion import space
from ksdiff_jax.motion.clip_keyframes import clip_keyframes
from ksdiff_jax.motion.keyframes import keyframe_targets
from ksdiff_jax.typing import Bool, Float

GROUPS = ("lips", "upper_face", "landmarks", "blinks", "keyframes", "pose", "beats", "head")
VALIDATION_GROUPS = ("lips", "keyframes", "pose")  # fast enough for a validation pass
# measured on a face of the clips' motion space
FACE_GROUPS = ("lips", "upper_face", "landmarks", "blinks", "pose")
POINT_GROUPS = ("landmarks", "blinks")  # and there on some points of it
# Clips are padded to whole blocks, so that splits of like lengths share one compiled function.
_BLOCK_FRAMES = 256
_keyframe_targets = jax.jit(
    keyframe_targets, static_argnames=("smoothing_frames", "threshold_std", "jaw")
)


def sound_of(clip: Clip) -> Float[np.ndarray, "s"]:
    """Return a clip's samples in [-1, 1]."""
    return from_int16(clip.audio)


def groups_without_face(space_name: str) -> tuple[str, ...]:
    """Return the groups of a validation pass; those that need a face are included only if the
    built-in head is of this space.
    """
    if space_name == space.BUILTIN.name:
        return VALIDATION_GROUPS
    return tuple(group for group in VALIDATION_GROUPS if group not in FACE_GROUPS)


def score(
    clips: Sequence[Clip],
    predictions: Sequence[Prediction],
    *,
    face: FaceModel | None = None,
    points: FacePoints | None = None,
    groups: Collection[str] = GROUPS,
    keyframe_config: KeyframeConfig | None = None,
) -> dict[str, float]:
    """Return the figures of predictions against their clips.

    Keyframes are scored if every prediction has them. Raise `InputError` if a group of
    `FACE_GROUPS` is requested and the face (None: the built-in head) is of another space than the
    clips, or if one of `POINT_GROUPS` is requested on another face than the built-in head without
    its `points`.
    """
    part = None
    if needy := [group for group in FACE_GROUPS if group in groups]:
        face = face or builtin_face()
        for space_name in sorted({clip.space for clip in clips}):
            check_face(face, space_name, what=f"scores {', '.join(needy)}")
        part = face_part(face, ("lips",))
    figures = {
        "clips": float(len(clips)),
        "frames": float(sum(clip.frames for clip in clips)),
        "seconds": float(sum(clip.duration_s for clip in clips)),
    }
    if "lips" in groups:
        true = [articulate(part, motion_of_clip(clip)) for clip in clips]
        predicted = [articulate(part, prediction.motion[0]) for prediction in predictions]
        figures |= _lip_errors(part, predicted, true)
        figures |= _lip_movements(clips, predictions, predicted, true)
        figures |= _closures(clips, predicted, true, height_m=face_height(part))
        figures |= _lip_steadiness(clips, predicted, true, height_m=face_height(part))
    if "upper_face" in groups:
        figures |= _upper_face(clips, predictions, face)
    if any(group in groups for group in POINT_GROUPS):
        figures |= _points(clips, predictions, points_of(face, points), groups=groups)
    if "keyframes" in groups and all(p.keyframes_head is not None for p in predictions):
        figures |= _keyframes(clips, predictions, keyframe_config or KeyframeConfig())
    if "pose" in groups:
        figures |= _pose(clips, predictions, part)
    if "beats" in groups:
        figures |= _beats(clips, predictions)
    if "head" in groups:
        figures |= head_figures(clips, predictions)
    return figures


def _lip_errors(
    part: FaceModel, predicted: list[Articulation], true: list[Articulation]
) -> dict[str, float]:
    errors = [lips.lip_vertex_error(p.lips, t.lips) for p, t in zip(predicted, true, strict=True)]
    weights = np.array([len(t.lips) for t in true], float)
    squared = float(np.average([e.squared_m2 for e in errors], weights=weights))
    all_true = np.concatenate([t.lips for t in true])
    resting = part.template[part.regions["lips"]]
    constant = constant_lip_error(best_constant_lips(all_true, candidates=(resting,)), all_true)
    return {
        "lve_squared_m2": squared,
        "lve_root_mm": 1000.0 * float(np.mean([e.root_m for e in errors])),
        "lve_distance_mm": 1000.0
        * float(np.average([e.distance_m for e in errors], weights=weights)),
        "lve_best_constant_m2": constant,
        "lve_ratio": squared / constant if constant > 0 else float("nan"),
    }


def _upper_face(
    clips: Sequence[Clip], predictions: Sequence[Prediction], face: FaceModel
) -> dict[str, float]:
    part = face_part(face, ("upper_face",))
    template = part.template[part.regions["upper_face"]]
    deviations = []
    for clip, prediction in zip(clips, predictions, strict=True):
        true, predicted = (
            articulate(part, motion).upper_face
            for motion in (motion_of_clip(clip), prediction.motion[0])
        )
        deviations.append(lips.dynamics_deviation(predicted, true, template))
    squared, distance, absolute = np.mean(deviations, axis=0)
    return {
        "fdd_m2": float(squared),
        "fdd_distance_mm": 1000.0 * float(distance),
        "fdd_absolute_m2": float(absolute),
    }


def _points(
    clips: Sequence[Clip],
    predictions: Sequence[Prediction],
    points: FacePoints,
    *,
    groups: Collection[str],
) -> dict[str, float]:
    """Return the scores of the landmarks of the mouth and the edges of the lids."""
    true = [moving_points(points, motion_of_clip(clip)) for clip in clips]
    predicted = [moving_points(points, prediction.motion[0]) for prediction in predictions]
    figures = {}
    if "landmarks" in groups:
        mouths = [[moved[:, points.mouth] for moved in series] for series in (predicted, true)]
        figures |= landmark_figures(*mouths, resting=points.model.template[points.mouth])
    if "blinks" in groups:
        for suffix, series in (("", predicted), ("_truth", true)):
            counted = [
                blinks.clip_blinks(blinks.lid_gaps(moved, points.lids), fps=float(clip.fps))
                for clip, moved in zip(clips, series, strict=True)
            ]
            figures |= blinks.blink_figures(counted, suffix=suffix)
    return figures


def _lip_movements(
    clips: Sequence[Clip],
    predictions: Sequence[Prediction],
    predicted: list[Articulation],
    true: list[Articulation],
) -> dict[str, float]:
    jaw = [
        (p.motion[0, :, space.JAW.start], clip.jaw[:, 0])
        for clip, p in zip(clips, predictions, strict=True)
    ]
    opening = [(p.opening, t.opening) for p, t in zip(predicted, true, strict=True)]
    figures = {}
    for name, pairs in (("jaw", jaw), ("opening", opening)):
        each = [lips.pearson(p, t) for p, t in pairs]
        defined = [value for value in each if not np.isnan(value)]
        figures |= bounded(
            f"{name}_correlation", t_interval(defined or [np.nan]), low=-1.0, high=1.0
        )
        together = [np.concatenate(series) for series in zip(*pairs, strict=True)]
        figures[f"{name}_correlation_pooled"] = lips.pearson(*together)
    warped = [1000.0 * warped_distance(p, t) for p, t in opening]
    return figures | bounded("opening_warped_distance_mm", t_interval(warped), low=0.0)


def _closures(
    clips: Sequence[Clip],
    predicted: list[Articulation],
    true: list[Articulation],
    *,
    height_m: float,
) -> dict[str, float]:
    counts = {"": [], "_truth": []}
    closed, justified = {"": [], "_truth": []}, []
    for clip, p, t in zip(clips, predicted, true, strict=True):
        intervals = lips.bilabial_frames(clip.phonemes, frames=clip.frames, fps=float(clip.fps))
        for suffix, moving in (("", p), ("_truth", t)):
            counts[suffix].append(lips.closures(moving.opening / height_m, intervals))
            closed[suffix].append(lips.closed_frames(moving.opening / height_m))
        justified.append(lips.justified_closures(closed[""][-1], closed["_truth"][-1]))
    figures = {"closure_intervals": float(sum(count.intervals for count in counts[""]))}
    for suffix, of_clips in counts.items():
        figures |= bounded(f"closure_rate{suffix}", share_interval(*zip(*of_clips, strict=True)))
        figures[f"closed_share{suffix}"] = float(np.mean(np.concatenate(closed[suffix])))
    precision = share_interval(*zip(*justified, strict=True))
    return figures | (
        {"closure_precision": 0.0}
        if np.isnan(precision.mean)
        else bounded("closure_precision", precision)
    )


def _lip_steadiness(
    clips: Sequence[Clip],
    predicted: list[Articulation],
    true: list[Articulation],
    *,
    height_m: float,
) -> dict[str, float]:
    """Return what the lips do beside speaking: jitter, and movement in pauses if there are any."""
    pauses = [pauses_of(clip) for clip in clips]
    figures = {}
    for suffix, series in (("", predicted), ("_truth", true)):
        moving = list(zip(clips, series, pauses, strict=True))
        figures[f"lip_jitter{suffix}_m_s3"] = _mean(
            [jitter(each.lips, fps=float(clip.fps)) for clip, each, _ in moving]
        )
        if not any(quiet.any() for quiet in pauses):
            continue
        for name, measure in (("speed", silence_speed), ("ratio", silence_ratio)):
            figures[f"silence_{name}{suffix}"] = _mean(
                [measure(m.opening / height_m, quiet, fps=float(c.fps)) for c, m, quiet in moving]
            )
    return figures


def _keyframes(
    clips: Sequence[Clip], predictions: Sequence[Prediction], config: KeyframeConfig
) -> dict[str, float]:
    figures = {}
    targets = true_keyframes(clips, config)
    for index, path in enumerate(("expression", "head")):
        truths = [tracks[index] for tracks in targets]
        guesses = [getattr(prediction, f"keyframes_{path}") for prediction in predictions]
        counts = keyframes.pooled(
            [keyframes.match_keyframes(g, t) for g, t in zip(guesses, truths, strict=True)]
        )
        figures |= {
            f"keyframe_{path}_precision": counts.precision,
            f"keyframe_{path}_recall": counts.recall,
            f"keyframe_{path}_f1": counts.f1,
            f"keyframe_{path}_f1_random": _random_f1(truths, guesses),
            f"keyframe_{path}_f1_fixed": keyframes.fixed_interval_f1(truths),
        }
    return figures | _head_keyframes(clips, predictions, config)


def _random_f1(truths: list[Bool[np.ndarray, "_"]], guesses: list[Bool[np.ndarray, "_"]]) -> float:
    """Return the stronger of two random predictors: with as many keyframes as the truth has, and
    with as many as the system predicts.
    """
    rates = ([float(np.mean(track)) for track in tracks] for tracks in (truths, guesses))
    return max(keyframes.random_keyframes_f1(truths, rate) for rate in rates)


def _head_keyframes(
    clips: Sequence[Clip], predictions: Sequence[Prediction], config: KeyframeConfig
) -> dict[str, float]:
    """Return the F1 of the head's keyframes, and of random ones, against both definitions of the
    targets.
    """
    figures, settings = {}, (config.smoothing_frames, config.threshold_std)
    guesses = [prediction.keyframes_head for prediction in predictions]
    for name, jaw in (("with_jaw", True), ("without_jaw", False)):
        truths = [
            clip_keyframes(
                motion_of_clip(clip),
                smoothing_frames=settings[0],
                threshold_std=settings[1],
                jaw=jaw,
            )[:, 1]
            for clip in clips
        ]
        counts = [keyframes.match_keyframes(g, t) for g, t in zip(guesses, truths, strict=True)]
        figures[f"keyframe_head_f1_{name}"] = keyframes.pooled(counts).f1
        figures[f"keyframe_head_f1_{name}_random"] = _random_f1(truths, guesses)
    return figures


def true_keyframes(
    clips: Sequence[Clip], config: KeyframeConfig
) -> list[tuple[Bool[np.ndarray, "_"], Bool[np.ndarray, "_"]]]:
    """Return the (expression, head) targets of every clip."""
    longest = max(clip.frames for clip in clips)
    frames = -(-longest // _BLOCK_FRAMES) * _BLOCK_FRAMES
    motion = np.zeros((len(clips), frames, space.MOTION_DIMS), np.float32)
    for row, clip in enumerate(clips):
        motion[row, : clip.frames] = motion_of_clip(clip)
    mask = np.arange(frames) < np.array([clip.frames for clip in clips])[:, None]
    tracks = _keyframe_targets(
        motion,
        mask,
        smoothing_frames=config.smoothing_frames,
        threshold_std=config.threshold_std,
        jaw=config.head_jaw != "never",
    )
    expression, head = (np.asarray(track) for track in tracks)
    return [
        (expression[row, : clip.frames], head[row, : clip.frames]) for row, clip in enumerate(clips)
    ]


def _pose(
    clips: Sequence[Clip], predictions: Sequence[Prediction], part: FaceModel
) -> dict[str, float]:
    turns = [prediction.motion[..., space.ROTATION] for prediction in predictions]
    first, true = [turn[0] for turn in turns], [clip.rotation for clip in clips]
    figures = {}
    for suffix, series in (("", first), ("_truth", true)):
        over_time = [pose.diversity_over_time(each) for each in series]
        angles = [pose.diversity_over_time(pose.hopenet_angles(each)) for each in series]
        figures[f"diversity_over_time{suffix}_rad"] = _mean(over_time)
        figures[f"diversity_of_angles_over_time{suffix}_deg"] = _mean(angles)
    if any(len(turn) < 2 for turn in turns):
        return figures
    openings = [[articulate(part, motion).opening for motion in p.motion[:2]] for p in predictions]
    return figures | {
        "diversity_between_samples_rad": _mean(
            [pose.diversity_between_samples(turn) for turn in turns]
        ),
        "diversity_of_angles_between_samples_deg": _mean(
            [pose.diversity_between_samples(pose.hopenet_angles(turn)) for turn in turns]
        ),
        "head_difference_deg": _mean(
            [pose.head_difference_deg(turn[0], turn[1]) for turn in turns]
        ),
        "lip_difference_mm": _mean([pose.lip_difference_mm(*pair) for pair in openings]),
        "lip_difference_correlation": _mean([lips.pearson(*pair) for pair in openings]),
    }


def _beats(clips: Sequence[Clip], predictions: Sequence[Prediction]) -> dict[str, float]:
    scores, of_truth = [], []
    for clip, prediction in zip(clips, predictions, strict=True):
        audio_frames = beats.audio_beats(sound_of(clip))
        scores.append(
            beats.beat_align(
                audio_frames, beats.kinematic_beats(prediction.motion[0, :, space.ROTATION])
            )
        )
        of_truth.append(beats.beat_align(audio_frames, beats.kinematic_beats(clip.rotation)))
    return {"beat_align": _mean(scores), "beat_align_truth": _mean(of_truth)}


def _mean(values: Sequence[float]) -> float:
    """Return the mean of the values that are defined; NaN if none is."""
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")
