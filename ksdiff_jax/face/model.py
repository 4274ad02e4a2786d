"""FLAME's forward pass: a template, linear blendshapes, pose correctives and linear blend skinning.

`FaceModel` holds the arrays of a face; `face_vertices` poses it. The equations follow Li et al.
2017 (FLAME), with shape coefficients β (100), expression coefficients ψ (50) and one axis-angle per
joint θ_k:

    shaped = template + Σ β_i S_i + Σ ψ_i E_i                    (v, 3)
    joints = regressor @ (template + Σ β_i S_i)                  (5, 3)
    posed  = shaped + Σ_i (R(θ_1..4) − I)_i P_i                  pose correctives, 9 numbers a joint
    G_k    = G_parent(k) · [R(θ_k) | joint_k − joint_parent(k)]  kinematic chain, root at joint 0
    vertex = Σ_k w_k (G_k [posed − joint_k])                     linear blend skinning

Joints in order: global, neck, jaw, left eye, right eye. Units are metres, with y up, +z out of the
face and +x to the subject's left. A positive rotation about +x opens the jaw. As in FLAME, joints
do not depend on the expression.
"""

import dataclasses
import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.rotation import rotation_matrix
from ksdiff_jax.typing import Array, Float, Int

# Joints: global, neck, jaw, left eye, right eye.
PARENTS = (-1, 0, 1, 1, 1)


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=[
        "template",
        "shape_directions",
        "expression_directions",
        "pose_correctives",
        "joint_regressor",
        "skinning_weights",
        "faces",
        "colours",
        "gloss",
        "regions",
        "inner_lip_pairs",
        "height_pair",
    ],
    meta_fields=["parents", "name", "licence", "space"],
)
@dataclasses.dataclass(frozen=True, eq=False)
class FaceModel:
    """A face in FLAME's form.

    `regions` maps `lips`, `upper_face`, `eyes` and `neck` to vertex indices.
    """

    template: Float[np.ndarray, "v 3"]  # metres
    shape_directions: Float[np.ndarray, "100 v 3"]  # metres per unit coefficient
    expression_directions: Float[np.ndarray, "50 v 3"]  # metres per unit coefficient
    pose_correctives: Float[np.ndarray, "36 v 3"] | None  # None if the model has none
    joint_regressor: Float[np.ndarray, "5 v"]
    skinning_weights: Float[np.ndarray, "v 5"]  # rows sum to 1
    faces: Int[np.ndarray, "n 3"]  # counter-clockwise seen from outside
    colours: Float[np.ndarray, "v 3"]  # linear-light albedo, 0 to 1
    gloss: Float[np.ndarray, "v"]  # strength of the highlight, 0 to 1
    regions: dict[str, Int[np.ndarray, "_"]]
    inner_lip_pairs: Int[np.ndarray, "_ 2"]  # (upper, lower) at the centre of the mouth
    height_pair: Int[np.ndarray, "2"]  # top of the forehead, bottom of the chin
    parents: tuple[int, ...] = PARENTS
    name: str = ""
    licence: str = ""
    space: str = "flame"  # owner of the expression directions (motion/space.py)


def check_face(face: FaceModel, space: str, *, what: str) -> None:
    """Raise `InputError` unless the face has the expression directions of the motion space."""
    if face.space != space:
        raise InputError(
            f"{what}: the coefficients are of the {space or 'unknown'} space, but the face "
            f"{face.name or 'given'} is of the {face.space} space, where they give another "
            f"expression; need a face of the {space or 'same'} space"
        )


def face_vertices(
    face: FaceModel,
    expression: Float[Array | np.ndarray, "*b 50"],
    *,
    shape: Float[Array | np.ndarray, "100"] | None = None,
    global_orient: Float[Array | np.ndarray, "*b 3"] | None = None,
    neck_pose: Float[Array | np.ndarray, "*b 3"] | None = None,
    jaw_pose: Float[Array | np.ndarray, "*b 3"] | None = None,
    eyes_pose: Float[Array | np.ndarray, "*b 6"] | None = None,
) -> Float[Array, "*b v 3"]:
    """Return vertices in metres for one identity and any leading axes of expressions and poses
    (axis-angle, radians).

    Omitted poses are zero. `eyes_pose` is left eye then right eye. The function takes one identity;
    use `jax.vmap` for several.
    """
    batch = expression.shape[:-1]
    still = jnp.zeros((*batch, 3), jnp.float32)
    eyes = jnp.zeros((*batch, 6), jnp.float32) if eyes_pose is None else jnp.asarray(eyes_pose)
    pose = [still if p is None else jnp.asarray(p) for p in (global_orient, neck_pose, jaw_pose)]
    pose = jnp.stack([*pose, eyes[..., :3], eyes[..., 3:]], axis=-2)  # (*b, 5, 3)
    shape = jnp.zeros(100, jnp.float32) if shape is None else jnp.asarray(shape)
    flat = _posed(
        _arrays(face),
        jnp.asarray(expression).reshape(-1, 50),
        shape,
        pose.reshape(-1, 5, 3),
        face.parents,
    )
    return flat.reshape(*batch, *face.template.shape)


def mouth_opening(
    face: FaceModel, vertices: Float[Array | np.ndarray, "*b v 3"]
) -> Float[Array, "*b"]:
    """Return the distance in metres between the inner edges of the lips at the middle of the
    mouth.
    """
    vertices = jnp.asarray(vertices)
    gap = (
        vertices[..., face.inner_lip_pairs[:, 0], :] - vertices[..., face.inner_lip_pairs[:, 1], :]
    )
    return jnp.linalg.norm(gap.mean(axis=-2), axis=-1)


def face_height(face: FaceModel) -> float:
    """Return the template's distance in metres from the top of the forehead to the chin (landmarks
    10 and 152 of mediapipe).
    """
    top, chin = np.asarray(face.template)[np.asarray(face.height_pair)]
    return float(np.linalg.norm(top - chin))


def _arrays(face: FaceModel) -> tuple:
    return (
        face.template,
        face.shape_directions,
        face.expression_directions,
        face.pose_correctives,
        face.joint_regressor,
        face.skinning_weights,
    )


@functools.partial(jax.jit, static_argnames="parents")
def _posed(
    arrays: tuple,
    expression: Float[Array, "n 50"],
    shape: Float[Array, "100"],
    pose: Float[Array, "n 5 3"],
    parents: Sequence[int],
) -> Float[Array, "n v 3"]:
    template, shape_directions, expression_directions, pose_correctives, regressor, weights = arrays
    vertices = template.shape[0]
    identity = template + jnp.tensordot(shape, shape_directions, 1)  # (v, 3)
    joints = regressor @ identity  # (5, 3)
    rotations = rotation_matrix(pose)  # (n, 5, 3, 3)
    shaped = identity.reshape(-1) + expression @ expression_directions.reshape(50, -1)
    if pose_correctives is not None:
        feature = (rotations[:, 1:] - jnp.eye(3)).reshape(-1, 36)
        shaped = shaped + feature @ pose_correctives.reshape(36, -1)
    transforms = _joint_transforms(rotations, joints, parents)  # (n, 5, 3, 4)
    blended = jnp.einsum("vk,nkij->nvij", weights, transforms)
    shaped = shaped.reshape(-1, vertices, 3)
    return jnp.einsum("nvij,nvj->nvi", blended[..., :3], shaped) + blended[..., 3]


def _joint_transforms(
    rotations: Float[Array, "n 5 3 3"], joints: Float[Array, "5 3"], parents: Sequence[int]
) -> Float[Array, "n 5 3 4"]:
    """Return the world transform of each joint, relative to its rest position: x ↦ A x + b."""
    turns, places = [], []
    for k, parent in enumerate(parents):
        if parent < 0:
            turns.append(rotations[:, k])
            places.append(jnp.broadcast_to(joints[k], (rotations.shape[0], 3)))
        else:
            turns.append(turns[parent] @ rotations[:, k])
            places.append(turns[parent] @ (joints[k] - joints[parent]) + places[parent])
    turn, place = jnp.stack(turns, 1), jnp.stack(places, 1)
    offset = place - jnp.einsum("nkij,kj->nki", turn, joints)
    return jnp.concatenate([turn, offset[..., None]], axis=-1)
