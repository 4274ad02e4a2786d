"""What the metrics of one clip read: the course of a motion on a face, and its speech."""

from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.waveform import from_int16
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.evaluate.articulation import Articulation, articulate
from ksdiff_jax.evaluate.blinks import blink_runs, lid_gaps
from ksdiff_jax.evaluate.face_points import FacePoints, moving_points
from ksdiff_jax.evaluate.head_speech import pauses_of
from ksdiff_jax.evaluate.lips import bilabial_frames
from ksdiff_jax.evaluate.speech_level import speech_level
from ksdiff_jax.face import FaceModel, face_height
from ksdiff_jax.motion import space
from ksdiff_jax.motion.clip_keyframes import clip_keyframes
from ksdiff_jax.typing import Bool, Float


class Course(NamedTuple):
    """A moving face: lips, upper face and mouth in metres, head pose removed."""

    lips: Float[np.ndarray, "t v 3"]
    upper_face: Float[np.ndarray, "t u 3"]
    resting: Float[np.ndarray, "u 3"]  # the upper face at rest
    mouth: Float[np.ndarray, "t p 3"]  # landmarks
    opening: Float[np.ndarray, "t"]  # over face height
    height_m: float
    rotation: Float[np.ndarray, "t 3"]
    blinks: int
    keyframes: Bool[np.ndarray, "t 3"]  # expression, head with the jaw, head without it


class Heard(NamedTuple):
    """The speech of a clip."""

    audio: Float[np.ndarray, "s"]
    level: Float[np.ndarray, "t"]
    pauses: Bool[np.ndarray, "t"]
    bilabials: list[slice]  # frames of its /p b m/
    fps: float


def course_of(
    motion: Float[np.ndarray, "t m"], part: FaceModel | None, points: FacePoints | None
) -> Course:
    """Return the course of a motion; `part` is a face reduced to lips and upper face.

    Without a face, or without points, what they show is empty, or NaN.
    """
    nothing = np.zeros((len(motion), 0, 3), np.float32)
    moved = Articulation(nothing, nothing, np.full(len(motion), np.nan))
    height_m, mouth, blinks = float("nan"), nothing, 0
    if part is not None:
        moved, height_m = articulate(part, motion), face_height(part)
    if points is not None:
        marked = moving_points(points, motion)
        mouth, blinks = marked[:, points.mouth], len(blink_runs(lid_gaps(marked, points.lids)))
    with_jaw, without = (clip_keyframes(motion, jaw=jaw) for jaw in (True, False))
    return Course(
        lips=moved.lips,
        upper_face=moved.upper_face,
        resting=part.template[part.regions["upper_face"]] if part is not None else nothing[0],
        mouth=mouth,
        opening=moved.opening / height_m,
        height_m=height_m,
        rotation=motion[:, space.ROTATION].astype(np.float64),
        blinks=blinks,
        keyframes=np.concatenate([with_jaw, without[:, 1:]], axis=1),
    )


def heard_in(clip: Clip) -> Heard:
    """Return the speech of a clip."""
    audio, fps = from_int16(clip.audio), float(clip.fps)
    return Heard(
        audio=audio,
        level=speech_level(audio, frames=clip.frames),
        pauses=pauses_of(clip),
        bilabials=bilabial_frames(clip.phonemes, frames=clip.frames, fps=fps),
        fps=fps,
    )
