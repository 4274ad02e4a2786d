"""ARKit's 52 face shapes on a face, and the weights of a motion.

On the built-in head the shapes are known by construction; other faces get them by transfer:

| shapes | displacement at weight 1 |
|---|---|
| 41 of the 52 | the action of that name (`actions`), with `_WITH` for three of them |
| jawOpen | the jaw opened by `MOUTH_CLOSE_JAW_RAD` |
| mouthClose | what MouthClose does to that open jaw: both shapes at one weight keep the lips shut |
| eyeLook..., 8 | the eyeball turned by `EYE_LOOK_RAD`, "in" towards the nose |
| tongueOut | the tongue of the dressed head between the lips; zero on other faces |

The tongue has no coefficient, so that the weight of tongueOut is 0 in every motion.

The eight actions that ARKit does not have (lips parting, chin raiser, ...) and negative weights of
actions are expressed by the nearest combination of the 52 (`box_least_squares`).
"""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np

from ksdiff_jax.face.actions import (
    ACTIONS,
    MOUTH_CLOSE_JAW_RAD,
    actions_to_expression,
    actions_to_expression_matrix,
)
from ksdiff_jax.face.box_least_squares import PENALTIES, Penalties, box_least_squares
from ksdiff_jax.face.builtin import builtin_face
from ksdiff_jax.face.deformation_transfer import transferred
from ksdiff_jax.face.dressed import tongue_shape
from ksdiff_jax.face.model import FaceModel, check_face, face_vertices
from ksdiff_jax.face.retargeting import check_owner, retargeting
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.typing import Float, Int

# In the order of Unreal, of the Live Link packet and of Audio2Face: left before right.
ARKIT_NAMES: tuple[str, ...] = (
    *("eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft"),
    *("eyeSquintLeft", "eyeWideLeft"),
    *("eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight"),
    *("eyeSquintRight", "eyeWideRight"),
    *("jawForward", "jawLeft", "jawRight", "jawOpen"),
    *("mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight"),
    *("mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight"),
    *("mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight"),
    *("mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight"),
    *("mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft", "browDownRight", "browInnerUp"),
    *("browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight"),
    *("noseSneerLeft", "noseSneerRight", "tongueOut"),
)
EYE_LOOK_RAD = np.pi / 6
# What ARKit's shape moves besides the action of its name.
_WITH = {
    "mouthShrugLower": {"ChinRaiser": 1.0},
    "noseSneerLeft": {"MouthUpperUpLeft": 0.5},
    "noseSneerRight": {"MouthUpperUpRight": 0.5},
}
_MOUTH_CLOSE = ACTIONS.index("MouthClose")
# Axis of each look as (pitch, yaw) signs for the left eye; a right eye mirrors the yaw.
_LOOKS = {"Down": (1, 0), "Up": (-1, 0), "Out": (0, 1), "In": (0, -1)}
_TONGUE_OUT = np.array([1.0, 1.0, 2.5])  # of the pose between the teeth, along each axis
_LIPS_WEIGHT = 16.0  # squared error on the lips, against 1 elsewhere: speech is on the lips
# Frames posed at once: one compiled shape for every length, and one for the parts of a stream.
_BLOCK_FRAMES, _FEW_FRAMES = 128, 8
_MOVED_M = 1e-5  # a vertex that no shape moves by this much takes no part in the fit


def arkit_basis(face: FaceModel) -> Float[np.ndarray, "52 v 3"]:
    """Return the displacement of every vertex, in metres, at weight 1 of each of `ARKIT_NAMES`.

    On another face than the built-in head they are transferred from it, except the looks, which
    turn the face's own eyes.
    """
    head = builtin_face()
    own = face.space == BUILTIN.name
    shapes = _constructed(face if own else head)
    if not own:
        fields = np.stack(list(shapes.values())).astype(np.float64)
        moved = transferred(fields, retargeting(head, face).correspondence, head, face)
        shapes = dict(zip(shapes, moved, strict=True))
    shapes |= _looks(face)
    return np.stack([shapes[name] for name in ARKIT_NAMES]).astype(np.float32)


def _constructed(head: FaceModel) -> dict[str, Float[np.ndarray, "v 3"]]:
    """Return the shapes of the built-in or the dressed head except the looks."""
    to_expression = (_actions() @ actions_to_expression_matrix()).astype(np.float32)
    fields = np.tensordot(to_expression, np.asarray(head.expression_directions), 1)
    shapes = dict(zip(ARKIT_NAMES, fields, strict=True))
    rest, opened = np.zeros(50, np.float32), np.array([MOUTH_CLOSE_JAW_RAD, 0, 0], np.float32)
    shut = actions_to_expression(np.eye(len(ACTIONS), dtype=np.float32)[_MOUTH_CLOSE])
    posed = np.asarray(face_vertices(head, np.stack([rest, shut]), jaw_pose=np.stack([opened] * 2)))
    shapes["jawOpen"], shapes["mouthClose"] = posed[0] - head.template, posed[1] - posed[0]
    shapes["tongueOut"] = _TONGUE_OUT * tongue_shape(head, "out", jaw_rad=MOUTH_CLOSE_JAW_RAD)
    return {name: shape for name, shape in shapes.items() if name not in _look_poses()}


@functools.cache
def _actions() -> Float[np.ndarray, "52 50"]:
    """Return the action weights of each shape; zero for looks, jawOpen and tongueOut."""
    names = [_arkit_name(name) for name in ACTIONS]
    matrix = np.array([[float(name == own) for own in names] for name in ARKIT_NAMES])
    for name, others in _WITH.items():
        for action, weight in others.items():
            matrix[ARKIT_NAMES.index(name), ACTIONS.index(action)] = weight
    return matrix


def _looks(face: FaceModel) -> dict[str, Float[np.ndarray, "v 3"]]:
    eyes = np.stack(list(_look_poses().values())).astype(np.float32)
    posed = face_vertices(face, np.zeros((len(eyes), 50), np.float32), eyes_pose=eyes)
    return dict(zip(_look_poses(), np.asarray(posed) - face.template, strict=True))


def _look_poses() -> dict[str, Float[np.ndarray, "6"]]:
    """Return `eyes_pose` at weight 1 of each look."""
    poses = {}
    for side, sign, start in (("Left", 1, 0), ("Right", -1, 3)):
        for look, (pitch, yaw) in _LOOKS.items():
            eyes = np.zeros(6)
            eyes[start : start + 2] = EYE_LOOK_RAD * pitch, EYE_LOOK_RAD * yaw * sign
            poses[f"eyeLook{look}{side}"] = eyes
    return poses


def _arkit_name(action: str) -> str:
    return action[0].lower() + action[1:]


def arkit_weights(
    motion: MotionClip,
    *,
    face: FaceModel | None = None,
    penalties: Penalties = PENALTIES,
) -> Float[np.ndarray, "t 52"]:
    """Return the weights, 0 to 1, of `ARKIT_NAMES` that come nearest to the motion of the face
    without its head and neck, at the motion's frame rate.

    The face is the built-in head unless another is given. Raises `InputError` if the motion is not
    of its space, or was retargeted to another face.
    """
    face = builtin_face() if face is None else face
    check_face(face, motion.space, what="ARKit weights")
    check_owner(motion, face, remedy="give that face")
    fit, frames = _fit(face), len(motion)
    block = _FEW_FRAMES if frames <= _FEW_FRAMES else _BLOCK_FRAMES
    padded = -(-frames // block) * block

    def filled(values: np.ndarray) -> np.ndarray:
        return np.pad(values, [(0, padded - frames), (0, 0)])

    poses = [filled(getattr(motion, name)) for name in ("exp", "jaw_pose", "eyes_pose")]
    blocks = []
    for start in range(0, padded, block):
        exp, jaw, eyes = (values[start : start + block] for values in poses)
        posed = np.asarray(face_vertices(face, exp, jaw_pose=jaw, eyes_pose=eyes))
        moved = (posed - face.template)[:, fit.used].reshape(len(posed), -1)
        blocks.append(moved @ fit.weighted)
    return box_least_squares(
        fit.products,
        np.concatenate(blocks)[:frames],
        mirrored=_mirrored(),
        penalties=penalties,
    )


class _Fit(NamedTuple):
    """The least-squares problem of a face."""

    used: Int[np.ndarray, "n"]  # vertices that take part
    weighted: Float[np.ndarray, "n3 52"]  # their displacements, by importance
    products: Float[np.ndarray, "52 52"]


@functools.lru_cache(maxsize=2)
def _fit(face: FaceModel) -> _Fit:
    basis = arkit_basis(face)
    used = np.flatnonzero(np.abs(basis).max(axis=(0, 2)) > _MOVED_M)
    importance = np.where(np.isin(used, face.regions["lips"]), _LIPS_WEIGHT, 1.0)
    shapes = basis[:, used].reshape(len(basis), -1).astype(np.float64)
    weighted = shapes * np.repeat(importance, 3)
    return _Fit(used, weighted.T.astype(np.float32), weighted @ shapes.T)


def arkit_vertices(
    weights: Float[np.ndarray, "t 52"], *, face: FaceModel | None = None
) -> Float[np.ndarray, "t v 3"]:
    """Return the face in metres, without head and neck, that a rig with these shapes shows."""
    face = builtin_face() if face is None else face
    basis = arkit_basis(face)
    flat = weights.astype(np.float32) @ basis.reshape(len(basis), -1)
    return np.asarray(face.template) + flat.reshape(len(weights), -1, 3)


@functools.cache
def _mirrored() -> Int[np.ndarray, "52"]:
    """Return for each shape the row of its mirror image; its own row if it has none."""
    swap = {"Left": "Right", "Right": "Left"}
    names = [
        next((n.removesuffix(s) + swap[s] for s in swap if n.endswith(s)), n) for n in ARKIT_NAMES
    ]
    return np.array([ARKIT_NAMES.index(name) for name in names])


def motion_of_arkit(weights: Float[np.ndarray, "t 52"], *, fps: float | int) -> MotionClip:
    """Return the motion of the built-in head with these weights of `ARKIT_NAMES`: the inverse of
    `arkit_weights`, for recordings of a face.

    Looks turn the eyes and jawOpen the jaw; the others are actions. tongueOut is not shown.
    """
    weights = np.asarray(weights, np.float64)
    named = dict(zip(ARKIT_NAMES, weights.T, strict=True))
    exp = actions_to_expression(weights @ _actions())
    jaw = np.zeros((len(weights), 3))
    jaw[:, 0] = MOUTH_CLOSE_JAW_RAD * named["jawOpen"]
    eyes = sum(named[name][:, None] * pose for name, pose in _look_poses().items())
    still = np.zeros_like(jaw)
    clip = MotionClip.from_coefficients(
        np.concatenate([exp, still, jaw, np.tile([1.0, 0.0, 0.0], (len(jaw), 1))], axis=1), fps=fps
    )
    return dataclasses.replace(clip, eyes_pose=eyes)
