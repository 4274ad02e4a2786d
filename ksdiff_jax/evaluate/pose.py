"""Head-motion diversity (KSDiff §3.2 mentions it; the two definitions are ours and are reported
under separate names).

    over time        std over the frames of a clip, then the mean over the axis-angle components
    between samples  std over several samples of one input at each frame,
                     then the mean over frames and components

Both are in radians. `lip_difference_mm` measures how much the lips of two samples of one input
differ. The words are the same, so the difference should be small.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.typing import Float


def diversity_over_time(rotation: Float[np.ndarray, "t 3"]) -> float:
    """Return the std of the head rotation over the time of one clip, radians."""
    return float(np.mean(np.std(rotation, axis=0)))


def diversity_between_samples(rotations: Float[np.ndarray, "n t 3"]) -> float:
    """Return the std of the head rotation between n samples of one input, radians."""
    return float(np.mean(np.std(rotations, axis=0)))


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
