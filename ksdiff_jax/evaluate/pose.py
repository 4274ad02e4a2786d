"""Head-motion diversity (KSDiff §3.2 mentions it; the two definitions are ours and are reported
under separate names).

    over time        std over the frames of a clip, then the mean over the components
    between samples  std over several samples of one input at each frame,
                     then the mean over frames and components

of the axis-angle in radians, or of yaw, pitch and roll in degrees (`hopenet_angles`). KSDiff
cites Hopenet (Ruiz et al. 2018) for its figure and gives neither formula nor unit. Hopenet returns
these angles, so a figure in them can be compared with those that it or another estimator finds in a
video. More is read as better, although jitter adds to it.

`lip_difference_mm` measures how much the lips of two samples of one input differ. The words are the
same, so the difference should be small.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.evaluate.valid_frames import Mask, valid
from ksdiff_jax.typing import Float


def hopenet_angles(rotation: Float[np.ndarray, "... t 3"]) -> Float[np.ndarray, "... t 3"]:
    """Return yaw, pitch and roll of a head in degrees, without jumps of 360°.

    R = R_x(pitch) R_y(yaw) R_z(roll), the order of the labels of 300W-LP, on which Hopenet is
    trained. Signs are those of our axes: x to the head's left, y up, z forward.
    """
    turns = Rotation.from_rotvec(rotation.reshape(-1, 3)).as_euler("XYZ")
    pitch, yaw, roll = np.moveaxis(turns.reshape(rotation.shape), -1, 0)
    return np.degrees(np.unwrap(np.stack([yaw, pitch, roll], axis=-1), axis=-2))


def diversity_over_time(angles: Float[np.ndarray, "t 3"], *, mask: Mask = None) -> float:
    """Return the std of the head rotation over the time of one clip, in the unit of its angles:
    radians of an axis-angle, degrees of `hopenet_angles`.
    """
    (angles,) = valid(mask, angles)
    return float(np.mean(np.std(angles, axis=0)))


def diversity_between_samples(angles: Float[np.ndarray, "n t 3"], *, mask: Mask = None) -> float:
    """Return the std of the head rotation between n samples of one input, in the unit of its
    angles.
    """
    spread = np.std(angles, axis=0)
    return float(np.mean(*valid(mask, spread)))


def head_difference_deg(first: Float[np.ndarray, "t 3"], second: Float[np.ndarray, "t 3"]) -> float:
    """Return the mean angle between the head rotations of two samples of one input, degrees."""
    between = Rotation.from_rotvec(second) * Rotation.from_rotvec(first).inv()
    return float(np.degrees(np.mean(between.magnitude())))


def lip_difference_mm(first_m: Float[np.ndarray, "t"], second_m: Float[np.ndarray, "t"]) -> float:
    """Return the mean absolute difference of the mouth openings (m) of two samples of one input,
    millimetres.
    """
    return float(1000.0 * np.mean(np.abs(first_m - second_m)))


def angular_speed(rotation: Float[np.ndarray, "t 3"], *, fps: float) -> Float[np.ndarray, "t"]:
    """Return the speed of the head rotation at every frame, rad/s, from the step into it; the first
    frame repeats the second.
    """
    if len(rotation) < 2:
        return np.zeros(len(rotation))
    turns = Rotation.from_rotvec(rotation)
    steps = (turns[1:] * turns[:-1].inv()).magnitude() * fps
    return np.concatenate([steps[:1], steps])
