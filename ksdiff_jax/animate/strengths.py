"""How strongly the parts of a face move, as factors on a sampled motion.

| factor | scales | about |
|---|---|---|
| lips | the coefficients of the mouth actions, and the jaw's rotation | the closed mouth |
| brows | the coefficients of the brow actions | the brows at rest |
| blinks | the coefficients of the blinks, up to closed lids | open eyes |
| head | the head's rotation and the camera | their means over the clip |

No two factors change one number, so each leaves the others' motion bit for bit. Lips that meet stay
in contact, because the jaw and the lips over it are scaled alike. Coefficients belong to one group
of actions each on the built-in head (`face.actions`), and on no other face: a motion of another
space has the factor of the head, and no other.
"""

import dataclasses

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.errors import InputError
from ksdiff_jax.face.actions import ACTIONS, coefficients_of, expression_to_actions
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.typing import Float

STRENGTHS = ("lips", "head", "brows", "blinks")
MOST = 5.0


def check_strengths(space: str, **factors: float | int | None) -> None:
    """Raise `InputError` for a factor that is no number from 0 to `MOST`, or that a motion of this
    space does not have.
    """
    for name, factor in factors.items():
        if factor is None:
            continue
        if not 0 <= factor <= MOST:  # NaN neither
            raise InputError(
                f"strength of the {name}: got {factor:g}, need 0 to {MOST:g} (1: none)"
            )
        if name != "head" and space != BUILTIN.name:
            raise InputError(
                f"strength of the {name}: the motion is of the {space or 'unknown'} space, whose "
                "coefficients each move several parts of a face; need a motion of the built-in "
                "head, before it is put on another face"
            )


def strengthened(
    motion: MotionClip,
    *,
    lips: float | int | None = None,
    head: float | int | None = None,
    brows: float | int | None = None,
    blinks: float | int | None = None,
) -> MotionClip:
    """Return a motion with these factors; None and 1 change nothing."""
    factors = {"lips": lips, "head": head, "brows": brows, "blinks": blinks}
    check_strengths(motion.space, **factors)
    factors = {name: factor for name, factor in factors.items() if factor not in (None, 1)}
    if not factors:
        return motion
    changed, expression = {}, motion.exp.copy()
    if "lips" in factors:
        expression[:, list(coefficients_of("mouth"))] *= factors["lips"]
        changed["jaw_pose"] = motion.jaw_pose * np.float32(factors["lips"])
    if "brows" in factors:
        expression[:, list(coefficients_of("brows"))] *= factors["brows"]
    if "blinks" in factors:
        _scale_blinks(expression, factors["blinks"])
    if "head" in factors:
        changed["global_orient"] = scaled_turns(motion.global_orient, factors["head"])
        centre = motion.cam.mean(axis=0)
        changed["cam"] = centre + np.float32(factors["head"]) * (motion.cam - centre)
    meta = motion.meta | {"strengths": factors}
    return dataclasses.replace(motion, exp=expression, **changed, meta=meta)


def mouth_only(motion: MotionClip) -> MotionClip:
    """Return the motion of mouth and jaw alone: the head rests at the mean of the clip, and on the
    built-in head blinks, lids, brows, cheeks and nose are at rest. In another space the expression
    is unchanged, because its coefficients each move several parts.
    """
    expression = motion.exp
    if motion.space == BUILTIN.name:
        expression = np.zeros_like(expression)
        mouth = list(coefficients_of("mouth"))
        expression[:, mouth] = motion.exp[:, mouth]
    return dataclasses.replace(
        motion,
        exp=expression,
        global_orient=scaled_turns(motion.global_orient, 0.0),
        cam=np.tile(motion.cam.mean(axis=0), (len(motion), 1)),
        meta=motion.meta | {"mouth_only": True},
    )


def mean_turn(axis_angle: Float[np.ndarray, "t 3"]) -> Rotation:
    """Return the mean rotation of a clip."""
    return Rotation.from_rotvec(axis_angle).mean()


def scaled_turns(
    axis_angle: Float[np.ndarray, "t 3"], factor: float | int
) -> Float[np.ndarray, "t 3"]:
    """Return rotations whose turns from the mean are `factor` times as large."""
    centre = mean_turn(axis_angle)
    turns = (centre.inv() * Rotation.from_rotvec(axis_angle)).as_rotvec()
    return (centre * Rotation.from_rotvec(factor * turns)).as_rotvec().astype(axis_angle.dtype)


def _scale_blinks(expression: Float[np.ndarray, "t e"], factor: float | int) -> None:
    """Scale the two coefficients of the blinks in place; lids do not close beyond contact."""
    columns = list(coefficients_of("blink"))
    weights = expression_to_actions(expression)[:, [ACTIONS.index(f"EyeBlink{s}") for s in _SIDES]]
    peak = np.maximum(weights, 0)
    # where the scaled weight would exceed contact, the factor is what reaches it
    most = np.where(peak > 0, np.maximum(1.0, peak) / np.maximum(peak, 1e-9), np.inf)
    scale = np.minimum(factor, most).min(axis=1, keepdims=True)
    expression[:, columns] *= scale.astype(expression.dtype)


_SIDES = ("Left", "Right")
