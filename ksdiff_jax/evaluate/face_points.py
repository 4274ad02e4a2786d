"""The points of a face that landmark metrics use: outline of the mouth, edges of the lids.

Mouth: the 40 points of MediaPipe's face mesh on the lips, 20 on the outer outline (corners 61 and
291) and 20 on the inner rims (corners 78 and 308). Lids, of each eye: pairs of a point on the upper
edge and the point below it on the lower edge. On the built-in head these are the five middle
columns of its lid edges, which meet in a full blink. On another face they are MediaPipe's three
pairs at the middle of the eye.
"""

import functools
from typing import NamedTuple

import jax
import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.articulation import in_blocks
from ksdiff_jax.face import FaceModel, builtin_face
from ksdiff_jax.face.head.file import load_head
from ksdiff_jax.face.landmarks import (
    LID_PAIRS,
    LIP_RIMS,
    OUTER_LIPS,
    HeadPose,
    LandmarkEmbedding,
    LandmarkModel,
    builtin_landmarks,
    landmark_model,
    posed_landmarks,
)
from ksdiff_jax.motion import space
from ksdiff_jax.typing import Float, Int

MOUTH_POINTS = (*OUTER_LIPS, *LIP_RIMS)
LID_COLUMNS = 5  # of the built-in head's lids, in the middle of the eye
LID_POINTS = 3  # pairs in the middle of each of MediaPipe's eyes
_posed = jax.jit(posed_landmarks)


class FacePoints(NamedTuple):
    """A face reduced to c points, and the indices of mouth and lids among them."""

    model: LandmarkModel
    mouth: Int[np.ndarray, "m"]
    lids: Int[np.ndarray, "2 p 2"]  # right and left eye; pairs of (upper, lower)


def moving_points(
    points: FacePoints | LandmarkModel, motion: Float[np.ndarray, "t 59"]
) -> Float[np.ndarray, "t c 3"]:
    """Return the points of a motion in metres, of the mean identity, with the head pose removed."""
    model = points.model if isinstance(points, FacePoints) else points
    blocks = in_blocks(motion)
    still = np.zeros((blocks.shape[1], 3), np.float32)
    mean = np.zeros(space.SHAPE_DIMS, np.float32)
    moved = [
        _posed(
            model,
            HeadPose(block[:, space.EXPRESSION], still, block[:, space.JAW], still),
            mean,
        )
        for block in blocks
    ]
    return np.concatenate(moved)[: len(motion)]


@functools.cache
def builtin_points() -> FacePoints:
    """Return the points of the built-in head."""
    face, landmarks, eye = builtin_face(), builtin_landmarks(), load_head().eye
    edge, upper = eye.rings[1], np.flatnonzero(eye.upper == 1)
    middle = upper[(len(upper) - LID_COLUMNS) // 2 :][:LID_COLUMNS]
    # The ring follows the upper edge and returns along the lower: column k is above column −k.
    pairs = np.stack([edge[middle], edge[-middle]], axis=1)
    spans = load_head().spans
    vertices = np.concatenate(
        [(spans[f"{side}_lids"].start + pairs).ravel() for side in ("right", "left")]
    )
    mouth = _part(landmarks, MOUTH_POINTS)
    both = LandmarkEmbedding(*map(np.concatenate, zip(mouth, _at(face, vertices), strict=True)))
    lids = len(mouth.points) + np.arange(len(vertices)).reshape(2, LID_COLUMNS, 2)
    return FacePoints(landmark_model(face, both), np.arange(len(mouth.points)), lids)


@functools.cache
def builtin_landmark_model(points: tuple[int, ...]) -> LandmarkModel:
    """Return some of MediaPipe's points on the built-in head."""
    return landmark_model(builtin_face(), _part(builtin_landmarks(), points))


def landmark_points(face: FaceModel, landmarks: LandmarkEmbedding) -> FacePoints:
    """Return the points of any face with known landmarks."""
    half, skip = len(LID_PAIRS) // 2, (len(LID_PAIRS) // 2 - LID_POINTS) // 2
    pairs = [
        pair
        for eye in (LID_PAIRS[:half], LID_PAIRS[half:])
        for pair in eye[skip : skip + LID_POINTS]
    ]
    wanted = _part(landmarks, (*MOUTH_POINTS, *np.ravel(pairs).tolist()))
    lids = len(MOUTH_POINTS) + np.arange(2 * len(pairs)).reshape(2, LID_POINTS, 2)
    return FacePoints(landmark_model(face, wanted), np.arange(len(MOUTH_POINTS)), lids)


def points_of(face: FaceModel, given: FacePoints | None) -> FacePoints:
    """Return the given points, or those of the built-in head; raise `InputError` for another face
    without points.
    """
    if given is not None:
        return given
    if face.space == space.BUILTIN.name:
        return builtin_points()
    raise InputError(
        f"scores of landmarks and blinks: the landmarks of the face {face.name or 'given'} are "
        "unknown; give points=landmark_points(face, read_landmarks(FILE, face))"
    )


def _part(landmarks: LandmarkEmbedding, points: tuple[int, ...]) -> LandmarkEmbedding:
    """Return some of the points, in the order of `points`; raise `InputError` if one is missing."""
    column = {int(point): place for place, point in enumerate(landmarks.points)}
    if missing := [point for point in points if point not in column]:
        raise InputError(
            f"landmark embedding: without the points {', '.join(map(str, missing))} of MediaPipe's "
            "face mesh; need those of lips and lids"
        )
    return LandmarkEmbedding(*(values[[column[point] for point in points]] for values in landmarks))


def _at(face: FaceModel, vertices: Int[np.ndarray, "n"]) -> LandmarkEmbedding:
    """Return vertices as points: a triangle that contains the vertex, and weight 1 on its
    corner.
    """
    faces = np.asarray(face.faces)
    places = [np.argwhere(faces == vertex)[0] for vertex in vertices]
    triangles, corners = np.array(places).T
    numbers = np.full(len(vertices), -1, np.int32)  # not points of the tracker
    return LandmarkEmbedding(
        numbers, triangles.astype(np.int32), np.eye(3, dtype=np.float32)[corners]
    )
