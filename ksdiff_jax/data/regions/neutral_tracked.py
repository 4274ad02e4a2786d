"""Tracked clips with lips or lids closed: in the landmarks of the face, to which it is then fitted
again.

The points of the tracker's mesh are taken from the fitted face of every frame (3-D, head pose
removed), moved, projected with the frame's own head pose and camera, and fitted as in the first
tracking (face/fit.py). The identity is fixed to the clip's, so that a mouth closed in every frame
is not fitted as other lips. The clip's own landmarks are fitted in the same way, and Δ is the
difference of the two fits. The effect of the fit's priors on a motion is therefore in both.

Lips are closed mainly by the jaw. Let g(t) be the height of the gap at the middle of the inner rims
and a the distance from the jaw's hinge to the lower rim along z. The jaw rotates back by g / a
about its hinge, and every point follows by its jaw weight. Where the rims do not meet after that,
each pair is moved to its midpoint.

Lids are closed by the upper lid: its points are moved to those of the lower lid.
"""

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.data.schema import Clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.face.fit import fit_landmarks
from ksdiff_jax.face.landmarks import (
    INNER_LIP_PAIRS,
    LID_PAIRS,
    HeadPose,
    LandmarkEmbedding,
    LandmarkModel,
    landmarks_of_shape,
    posed_landmarks,
    projected,
)
from ksdiff_jax.motion.rotation import rotation_matrix
from ksdiff_jax.motion.space import SHAPE_DIMS
from ksdiff_jax.typing import Float, Int

Points = Float[np.ndarray, "t c 3"]
MIDDLE_PAIRS = 3  # pairs of the inner lips that determine the rotation of the jaw


def refitted(
    clip: Clip,
    model: LandmarkModel,
    embedding: LandmarkEmbedding,
    *,
    close: Callable[[Points, LandmarkModel, LandmarkEmbedding], Points] | None = None,
) -> Clip:
    """Return the clip fitted again to its own landmarks, with lips or lids closed in them by
    `close`.
    """
    own = landmarks_of_shape(model, clip.shape)
    frames, still = clip.frames, np.zeros((clip.frames, 3), np.float32)
    level = HeadPose(clip.expression, still, clip.jaw, still)
    points = np.asarray(posed_landmarks(own, level, np.zeros(SHAPE_DIMS, np.float32)))
    if close is not None:
        points = close(points, own, embedding)
    turn = np.asarray(rotation_matrix(jnp.asarray(clip.rotation)))
    turned = (points - own.joints[0]) @ np.swapaxes(turn, -1, -2) + own.joints[0]
    fit = fit_landmarks(
        own, np.asarray(projected(jnp.asarray(turned), clip.camera)), np.ones(frames)
    )
    return dataclasses.replace(clip, expression=fit.pose.expression, jaw=fit.pose.jaw)


def lips_closed(points: Points, model: LandmarkModel, embedding: LandmarkEmbedding) -> Points:
    """Return the points with the lips together, and the parts that follow the jaw rotated by the
    same angle.
    """
    upper, lower = columns_of(embedding, INNER_LIP_PAIRS).T
    middle = slice((len(upper) - MIDDLE_PAIRS) // 2, (len(upper) + MIDDLE_PAIRS) // 2)
    hinge = model.joints[1]
    gap = np.mean(points[:, upper[middle], 1] - points[:, lower[middle], 1], axis=1)
    reach = np.mean(points[:, lower[middle], 2] - hinge[2], axis=1)
    angle = np.stack([-gap / reach, np.zeros_like(gap), np.zeros_like(gap)], axis=1)
    turn = np.asarray(rotation_matrix(jnp.asarray(angle))) - np.eye(3)
    closed = points + model.jaw_weight[:, None] * ((points - hinge) @ np.swapaxes(turn, -1, -2))
    meeting = (closed[:, upper] + closed[:, lower]) / 2
    closed[:, upper] = closed[:, lower] = meeting
    return closed


def lids_closed(points: Points, model: LandmarkModel, embedding: LandmarkEmbedding) -> Points:
    """Return the points with the upper lids on the lower ones."""
    del model
    upper, lower = columns_of(embedding, LID_PAIRS).T
    closed = points.copy()
    closed[:, upper] = points[:, lower]
    return closed


def columns_of(
    embedding: LandmarkEmbedding, pairs: tuple[tuple[int, int], ...]
) -> Int[np.ndarray, "p 2"]:
    """Return the columns of pairs of the tracker's points in the embedding; pairs that it does not
    contain are omitted.

    Raise `InputError` if it contains none of them.
    """
    column = {int(point): place for place, point in enumerate(embedding.points)}
    found = [(column[a], column[b]) for a, b in pairs if a in column and b in column]
    if not found:
        raise InputError(
            f"landmark embedding: none of the points {pairs[0]} to {pairs[-1]} of lips or "
            "lids; need an embedding of MediaPipe's face mesh with them"
        )
    return np.array(found)
