"""The coefficients of a FLAME motion under the names of other tools, as .npz.

| format | keys |
|---|---|
| deca, diffposetalk | exp (t, 50), pose (t, 6): rotation and jaw, shape (t, 100), cam (t, 3) |
| emote | shape, expression (t, 100), jaw_pose, global_pose |
| vhap | translation, rotation, neck_pose, jaw_pose, eyes_pose, shape (300), expr, static_offset |
| smplx | betas, expression, global_orient, neck_pose, jaw_pose, leye_pose, reye_pose, transl |
| artalk | motion (t, 106): expression 100, rotation 3, jaw 3 |

Coefficients beyond ours are zero. All other spaces are refused: their numbers would give another
face in these tools.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.export.take import Take
from ksdiff_jax.motion.space import FLAME

_LONG_EXPRESSION, _LONG_SHAPE = 100, 300


def coefficient_writer(kind: str) -> Callable[[Path, Take], None]:
    """Return the function that writes one of `KEYS`."""

    def write(path: Path, take: Take) -> None:
        if take.motion.space != FLAME.name:
            raise InputError(
                f"{kind}: the motion is of the {take.motion.space} space, and the format is for "
                "FLAME's coefficients; put it on a FLAME face first: animate --face "
                "generic_model.pkl, or motion.on(face) in Python"
            )
        meta = {"schema": f"ksdiff-{kind}/1", "fps": take.fps, "name": take.name}
        arrays = {name: value.astype(np.float32) for name, value in KEYS[kind](take).items()}
        with path.open("wb") as stream:
            np.savez(stream, **arrays, meta=np.array(json.dumps(meta)))

    return write


def _deca(take: Take) -> dict[str, np.ndarray]:
    return {
        "exp": take.expression,
        "pose": np.concatenate([take.rotations("head"), take.rotations("jaw")], axis=1),
        "shape": np.tile(take.motion.shape, (len(take), 1)),
        "cam": take.at_frames(take.motion.cam),
    }


def _emote(take: Take) -> dict[str, np.ndarray]:
    return {
        "shape": take.motion.shape,
        "expression": _long(take),
        "jaw_pose": take.rotations("jaw"),
        "global_pose": take.rotations("head"),
    }


def _vhap(take: Take) -> dict[str, np.ndarray]:
    return {
        "translation": np.zeros((len(take), 3)),
        "rotation": take.rotations("head"),
        "neck_pose": take.rotations("neck"),
        "jaw_pose": take.rotations("jaw"),
        "eyes_pose": np.concatenate(
            [take.rotations("left_eye"), take.rotations("right_eye")], axis=1
        ),
        "shape": np.pad(take.motion.shape, (0, _LONG_SHAPE - len(take.motion.shape))),
        "expr": _long(take),
        "static_offset": np.zeros((1, len(take.face.template) if take.face else 5023, 3)),
    }


def _smplx(take: Take) -> dict[str, np.ndarray]:
    return {
        "betas": take.motion.shape,
        "expression": take.expression,
        "global_orient": take.rotations("head"),
        "neck_pose": take.rotations("neck"),
        "jaw_pose": take.rotations("jaw"),
        "leye_pose": take.rotations("left_eye"),
        "reye_pose": take.rotations("right_eye"),
        "transl": np.zeros((len(take), 3)),
    }


def _artalk(take: Take) -> dict[str, np.ndarray]:
    parts = [_long(take), take.rotations("head"), take.rotations("jaw")]
    return {"motion": np.concatenate(parts, axis=1)}


def _long(take: Take) -> np.ndarray:
    expression = take.expression
    return np.pad(expression, [(0, 0), (0, _LONG_EXPRESSION - expression.shape[1])])


KEYS: dict[str, Callable[[Take], dict[str, np.ndarray]]] = {
    "deca": _deca,
    "diffposetalk": _deca,
    "emote": _emote,
    "vhap": _vhap,
    "smplx": _smplx,
    "artalk": _artalk,
}
