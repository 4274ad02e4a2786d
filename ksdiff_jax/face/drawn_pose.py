"""The pose in which the dressed head is drawn and exported, from the pose of a motion.

A motion's `global_orient` is the rotation of the head: data, models and scores use it so, and
FLAME's tools read it so. Applied to a head with shoulders it would turn these too. Only where the
dressed head is shown, the rotation is therefore divided between root and neck:

    R_root = (R_global R_neck)^(1 - NECK_SHARE),   R_root R_neck' = R_global R_neck

The rotation of the head stays the same. The head then turns about the neck's joint and not about
the root's, so the whole face is translated by (R_root - R_global)(neck joint - root joint), less
than 1 mm a degree.

The lids follow the eyes: the upper lid of a person who looks down by 10 degrees lies lower by about
a sixth of its way, in the picture alone, because the coefficients of a blink would be read as one.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.face.actions import (
    ACTIONS,
    GROUPS,
    actions_to_expression,
    expression_to_actions,
)
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.typing import Float

NECK_SHARE = 0.85  # of the head's rotation: the shoulders turn by the rest
_LID_PER_RAD = 1.0  # weight of a blink for eyes that look down, and of widened eyes up
_WIDER_PER_RAD = 1.4
_MOST = 0.4  # of a blink
_BLINKS = [ACTIONS.index(name) for name in GROUPS["blink"]]
_WIDE = [ACTIONS.index(f"EyeWide{side}") for side in ("Left", "Right")]


class DrawnPose(NamedTuple):
    """The arguments of `face_vertices` for t frames."""

    expression: Float[np.ndarray, "t 50"]
    global_orient: Float[np.ndarray, "t 3"]
    neck_pose: Float[np.ndarray, "t 3"]
    jaw_pose: Float[np.ndarray, "t 3"]
    eyes_pose: Float[np.ndarray, "t 6"]


def drawn_pose(motion: MotionClip) -> DrawnPose:
    """Return the pose in which the dressed head shows a motion of the built-in head."""
    root, neck = shared_turn(motion.global_orient, motion.neck_pose)
    return DrawnPose(
        lids_following(motion.exp, motion.eyes_pose), root, neck, motion.jaw_pose, motion.eyes_pose
    )


def shared_turn(
    global_orient: Float[np.ndarray, "t 3"],
    neck_pose: Float[np.ndarray, "t 3"],
    *,
    share: float = NECK_SHARE,
) -> tuple[Float[np.ndarray, "t 3"], Float[np.ndarray, "t 3"]]:
    """Return the rotations of root and neck (axis-angle, radians) with the same rotation of the
    head, of which the neck has `share`.
    """
    total = Rotation.from_rotvec(global_orient) * Rotation.from_rotvec(neck_pose)
    root = Rotation.from_rotvec((1 - share) * total.as_rotvec())
    turns = (root.as_rotvec(), (root.inv() * total).as_rotvec())
    return turns[0].astype(np.float32), turns[1].astype(np.float32)


def lids_following(
    expression: Float[np.ndarray, "t 50"], eyes_pose: Float[np.ndarray, "t 6"]
) -> Float[np.ndarray, "t 50"]:
    """Return the expression with lids that follow the pitch of the eyes, and that close no further
    than they would.
    """
    pitch = eyes_pose[:, [0, 3]].astype(np.float64)  # positive: down
    actions = expression_to_actions(expression.astype(np.float64))
    open_share = np.clip(1 - actions[:, _BLINKS], 0, 1)
    further = np.zeros_like(actions)
    further[:, _BLINKS] = open_share * np.clip(_LID_PER_RAD * pitch, 0, _MOST)
    further[:, _WIDE] = open_share * np.clip(-_WIDER_PER_RAD * pitch, 0, _MOST)
    return (expression + actions_to_expression(further)).astype(np.float32)
