"""The manner of another head: how far and how fast it moves, not when.

The turns of a head from its mean rotation, and its camera about its mean, are split into three
bands with Gaussian filters (slower than about 0.5 Hz, up to 2 Hz, faster). Each band of each axis
is scaled to the standard deviation that this band has in the reference, the sum to the standard
deviation of the whole, and the mean rotation becomes that of the reference. So the result nods and
turns when the motion does, about as far and as fast as the reference. The camera keeps its mean,
and its scale is not changed where the reference's does not move.
"""

import dataclasses

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from ksdiff_jax.animate.strengths import mean_turn
from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.frame_rate import at_frame_rate
from ksdiff_jax.motion.space import SPACES
from ksdiff_jax.typing import Float

BAND_EDGES_HZ = (0.5, 2.0)
LEAST_S = 2.0  # a shorter reference has no manner that can be measured
MOST_GAIN = 10.0  # of a band that hardly moves


def check_style(reference: MotionClip, *, space: str, source: str = "head style") -> None:
    """Raise `InputError` unless a motion of `space` can take the manner of `reference`."""
    theirs = reference.space or space
    if SPACES[theirs].parts[-1][0] != SPACES[space].parts[-1][0]:
        raise InputError(
            f"{source}: a motion of the {theirs} space, the other is of the {space} space, where "
            "the head's position has other units; give a motion of that space"
        )
    if reference.duration_s < LEAST_S:
        raise InputError(
            f"{source}: {reference.duration_s:.1f} s; need a motion of at least {LEAST_S:g} s"
        )


def with_head_style(
    motion: MotionClip, reference: MotionClip, *, source: str = "head style"
) -> MotionClip:
    """Return a motion whose head moves in the manner of `reference`, which `source` names; raise
    `InputError` for a reference that is too short or of another kind of space.
    """
    check_style(reference, space=motion.space, source=source)
    reference = at_frame_rate(reference, motion.fps)
    turns, centre = _turns(motion.global_orient), mean_turn(reference.global_orient)
    wanted = _turns(reference.global_orient)
    turns = _in_manner(turns, wanted, fps=motion.fps)
    camera = motion.cam.astype(np.float64)
    place = camera.mean(axis=0)
    theirs = reference.cam - reference.cam.mean(axis=0, dtype=np.float64)
    camera = place + _in_manner(camera - place, theirs, fps=motion.fps)
    return dataclasses.replace(
        motion,
        global_orient=(centre * Rotation.from_rotvec(turns)).as_rotvec(),
        cam=camera,
        meta=motion.meta | {"head_style": source},
    )


def _turns(axis_angle: Float[np.ndarray, "t 3"]) -> Float[np.ndarray, "t 3"]:
    centre = mean_turn(axis_angle)
    return (centre.inv() * Rotation.from_rotvec(axis_angle.astype(np.float64))).as_rotvec()


def _bands(values: Float[np.ndarray, "t k"], fps: float) -> list[Float[np.ndarray, "t k"]]:
    """Return parts of values from slow to fast; their sum is the values."""
    slow = [
        gaussian_filter1d(values, fps / (2 * np.pi * edge), axis=0, mode="reflect")
        for edge in BAND_EDGES_HZ
    ]
    return [slow[0], slow[1] - slow[0], values - slow[1]]


def _in_manner(
    values: Float[np.ndarray, "t k"], wanted: Float[np.ndarray, "n k"], *, fps: float
) -> Float[np.ndarray, "t k"]:
    """Return values about 0 with the deviations that `wanted` has in each band and in all."""
    result = sum(
        own * _gain(own, theirs)
        for own, theirs in zip(_bands(values, fps), _bands(wanted, fps), strict=True)
    )
    result -= result.mean(axis=0)
    return result * _gain(result, wanted)


def _gain(own: Float[np.ndarray, "t k"], theirs: Float[np.ndarray, "n k"]) -> np.ndarray:
    return np.minimum(theirs.std(axis=0) / np.maximum(own.std(axis=0), 1e-9), MOST_GAIN)
