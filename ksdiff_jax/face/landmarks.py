"""The positions of a landmark tracker's points on a face model, and their motion with the face.

MediaPipe's face mesh gives 468 points of the face (and 10 of the irises, which are not used). An
embedding attaches some of them to triangles of a model, by barycentric coordinates. The embedding
of the built-in head ships with this package. The one of FLAME is
`mediapipe_landmark_embedding.npz`, which ships with FLAME.

There are far fewer points than vertices. `LandmarkModel` therefore stores a face reduced to these c
points. The template, directions and skinning weights of a point are the barycentric means of those
at its triangle's corners, and

    y = x + w_jaw (R_jaw − I)(x − J_jaw)          x = template + Σ β_i S_i + Σ ψ_i E_i + correctives
    z = R_global (y − J_root) + J_root
    (u, v) = s (z_x + t_x, z_y + t_y)             weak perspective, u to the right, v up

with neck and eyes at rest. This equals `face_vertices` if a triangle's corners have the same
weights, and differs from it by at most 0.06 mm otherwise.
"""

import functools
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.face.builtin import builtin_face
from ksdiff_jax.face.model import FaceModel
from ksdiff_jax.foreign.array_archive import read_npz
from ksdiff_jax.motion.rotation import rotation_matrix
from ksdiff_jax.typing import Array, Float, Int

TRACKED_POINTS = 468
STORED = Path(__file__).parents[1] / "assets" / "face" / "landmarks.npz"
# The names under which FLAME's own embedding holds the same three arrays.
FLAME_NAMES = {
    "points": "landmark_indices",
    "triangles": "lmk_face_idx",
    "barycentric": "lmk_b_coords",
}
JAW = 2  # among the joints of face/model.py
# Numbers of the tracker's mesh, from the subject's right to the left. The corners of mouth and eyes
# are in no pair.
INNER_LIP_PAIRS = (  # (upper, lower) of the inner rims
    *((191, 95), (80, 88), (81, 178), (82, 87), (13, 14)),
    *((312, 317), (311, 402), (310, 318), (415, 324)),
)
OUTER_LIPS = (
    *(61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291),
    *(146, 91, 181, 84, 17, 314, 405, 321, 375),
)
LID_PAIRS = (  # (upper, lower) of the edges of the lids, of the right eye and of the left
    *((246, 7), (161, 163), (160, 144), (159, 145), (158, 153), (157, 154), (173, 155)),
    *((398, 382), (384, 381), (385, 380), (386, 374), (387, 373), (388, 390), (466, 249)),
)
# The inner rims of the lips are only a few of the many points, but they carry the visible speech.
LIP_RIMS = (78, 308, *(point for pair in INNER_LIP_PAIRS for point in pair))
RIM_IMPORTANCE = 4.0


class LandmarkEmbedding(NamedTuple):
    """The embedding of c of the tracker's points in a face model."""

    points: Int[np.ndarray, "c"]  # their indices in the tracker's mesh
    triangles: Int[np.ndarray, "c"]  # rows of `FaceModel.faces`
    barycentric: Float[np.ndarray, "c 3"]


class LandmarkModel(NamedTuple):
    """A face model reduced to c points."""

    template: Float[np.ndarray, "c 3"]
    shape_directions: Float[np.ndarray, "100 c 3"]
    expression_directions: Float[np.ndarray, "50 c 3"]
    jaw_correctives: Float[np.ndarray, "9 c 3"]  # zeros if the model has none
    jaw_weight: Float[np.ndarray, "c"]
    joints: Float[np.ndarray, "2 3"]  # root and jaw at rest
    joint_shape_directions: Float[np.ndarray, "100 2 3"]
    importance: Float[np.ndarray, "c"]  # weight of a point in a fit, 1 for most


class HeadPose(NamedTuple):
    """Pose and expression of one frame, or of many with leading axes."""

    expression: Float[Array | np.ndarray, "*b 50"]
    rotation: Float[Array | np.ndarray, "*b 3"]  # axis-angle, radians
    jaw: Float[Array | np.ndarray, "*b 3"]  # axis-angle, radians
    camera: Float[Array | np.ndarray, "*b 3"]  # scale, tx, ty


@functools.cache
def builtin_landmarks() -> LandmarkEmbedding:
    """Return the embedding of the built-in head for MediaPipe's detections on it (made by
    asset_builders/head_landmarks.py).
    """
    return read_landmarks(STORED, builtin_face())


def read_landmarks(path: str | Path, face: FaceModel) -> LandmarkEmbedding:
    """Read an embedding file, ours or FLAME's; raise `InputError` for any other file, or for a mesh
    other than that of `face`.
    """
    path = Path(path)
    arrays = read_npz(path, what="landmark embedding", wanted={*FLAME_NAMES, *FLAME_NAMES.values()})
    names = (
        FLAME_NAMES if FLAME_NAMES["triangles"] in arrays else {name: name for name in FLAME_NAMES}
    )
    if missing := [key for key in names.values() if key not in arrays]:
        wanted = ", ".join(FLAME_NAMES.values())
        raise InputError(
            f"{path}: not a landmark embedding, it lacks {', '.join(missing)}; need an npz of "
            f"{wanted}"
        )
    points, triangles, barycentric = (
        arrays[names[name]] for name in ("points", "triangles", "barycentric")
    )
    points, triangles = points.reshape(-1), triangles.reshape(-1)
    if not 0 < len(points) == len(triangles) == len(barycentric) or barycentric.shape[1:] != (3,):
        raise InputError(
            f"{path}: {len(points)} points, {len(triangles)} triangles, weights {barycentric.shape}"
        )
    if (
        points.dtype.kind not in "iu"
        or triangles.dtype.kind not in "iu"
        or barycentric.dtype.kind not in "fiu"
    ):
        types = f"{points.dtype}, {triangles.dtype}, {barycentric.dtype}"
        raise InputError(
            f"{path}: points, triangles and weights of {types}; need whole numbers and weights"
        )
    if not np.isfinite(barycentric).all() or np.abs(barycentric.sum(axis=1) - 1).max() > 0.01:
        raise InputError(
            f"{path}: {names['barycentric']} holds rows that do not sum to 1; damaged?"
        )
    known = points.min() >= 0 and points.max() < TRACKED_POINTS
    if not known or triangles.min() < 0 or triangles.max() >= len(face.faces):
        raise InputError(
            f"{path}: point numbers up to {points.max()} of {TRACKED_POINTS}, triangles up to "
            f"{triangles.max()} while {face.name or 'the face'} has {len(face.faces)}; name the "
            "embedding that belongs to this face"
        )
    return LandmarkEmbedding(
        points.astype(np.int32), triangles.astype(np.int32), barycentric.astype(np.float32)
    )


def landmark_model(face: FaceModel, embedding: LandmarkEmbedding) -> LandmarkModel:
    """Reduce a face to the points of an embedding."""
    corners = np.asarray(face.faces)[embedding.triangles]  # (c, 3)

    def at_points(values: np.ndarray) -> Float[np.ndarray, "*n c k"]:
        return np.einsum(
            "...cjk,cj->...ck", np.asarray(values)[..., corners, :], embedding.barycentric
        )

    regressor = np.asarray(face.joint_regressor)[[0, JAW]]
    correctives = np.zeros((9, len(corners), 3), np.float32)
    if face.pose_correctives is not None:  # nine numbers per joint; the root has none
        correctives = at_points(np.asarray(face.pose_correctives)[9 * (JAW - 1) : 9 * JAW])
    return LandmarkModel(
        template=at_points(face.template),
        shape_directions=at_points(face.shape_directions),
        expression_directions=at_points(face.expression_directions),
        jaw_correctives=correctives,
        jaw_weight=at_points(face.skinning_weights)[:, JAW],
        joints=regressor @ np.asarray(face.template),
        joint_shape_directions=np.einsum(
            "jv,svk->sjk", regressor, np.asarray(face.shape_directions)
        ),
        importance=np.where(np.isin(embedding.points, LIP_RIMS), RIM_IMPORTANCE, 1.0).astype(
            np.float32
        ),
    )


def landmarks_of_shape(
    model: LandmarkModel, shape: Float[Array | np.ndarray, "100"]
) -> LandmarkModel:
    """The model of one identity: `shape` is its template, and no other shape changes it."""
    return model._replace(
        template=model.template + np.tensordot(shape, model.shape_directions, 1),
        shape_directions=np.zeros_like(model.shape_directions),
        joints=model.joints + np.tensordot(shape, model.joint_shape_directions, 1),
        joint_shape_directions=np.zeros_like(model.joint_shape_directions),
    )


def posed_landmarks(
    model: LandmarkModel, pose: HeadPose, shape: Float[Array | np.ndarray, "100"]
) -> Float[Array, "*b c 3"]:
    """Return the points in metres, rotated by jaw and head; the camera of `pose` is not used."""
    identity = model.template + jnp.tensordot(shape, model.shape_directions, 1)  # (c, 3)
    root, hinge = model.joints + jnp.tensordot(shape, model.joint_shape_directions, 1)
    opened = _matrix(pose.jaw) - jnp.eye(3)  # (*b, 3, 3)
    # Sums of products instead of einsum for axes of length three: XLA fuses them.
    points = identity + jnp.tensordot(pose.expression, model.expression_directions, 1)
    points += jnp.tensordot(opened.reshape(*opened.shape[:-2], 9), model.jaw_correctives, 1)
    points += model.jaw_weight[:, None] * _turned(opened, points - hinge)
    return _turned(_matrix(pose.rotation), points - root) + root


def expression_jacobian(model: LandmarkModel, pose: HeadPose) -> Float[Array, "c 2 50"]:
    """Return the derivatives of one frame's projected points with respect to each expression
    coefficient.

    Points are linear in the expression: s R_global (I + w_jaw (R_jaw − I)) E, without its depth.
    """
    hinged = jnp.eye(3) + model.jaw_weight[:, None, None] * (_matrix(pose.jaw) - jnp.eye(3))
    return _seen_directions(pose, hinged @ jnp.transpose(model.expression_directions, (1, 2, 0)))


def shape_jacobian(model: LandmarkModel, pose: HeadPose) -> Float[Array, "c 2 100"]:
    """Return the same derivatives with respect to each identity coefficient, which also moves root
    and jaw.
    """
    opened = model.jaw_weight[:, None, None] * (_matrix(pose.jaw) - jnp.eye(3))
    root, hinge = jnp.transpose(model.joint_shape_directions, (1, 2, 0))  # (3, 100) each
    identity = jnp.transpose(model.shape_directions, (1, 2, 0))
    turned = _seen_directions(pose, (jnp.eye(3) + opened) @ identity - opened @ hinge - root)
    return turned + pose.camera[0] * root[:2]


def _seen_directions(pose: HeadPose, directions: Float[Array, "c 3 k"]) -> Float[Array, "c 2 k"]:
    return pose.camera[0] * _matrix(pose.rotation)[:2] @ directions


def projected(
    points: Float[Array, "*b c 3"], camera: Float[Array | np.ndarray, "*b 3"]
) -> Float[Array, "*b c 2"]:
    """Project by weak perspective: (u, v) = s (x + t_x, y + t_y), v up."""
    return camera[..., None, :1] * (points[..., :2] + camera[..., None, 1:])


def _matrix(axis_angle: Float[Array | np.ndarray, "*b 3"]) -> Float[Array, "*b 3 3"]:
    return rotation_matrix(jnp.asarray(axis_angle))


def _turned(
    matrix: Float[Array, "*b 3 3"], points: Float[Array, "*b c 3"]
) -> Float[Array, "*b c 3"]:
    return points @ jnp.swapaxes(matrix, -1, -2)
