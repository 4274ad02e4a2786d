"""Motion at another frame rate, without drift.

Frame k of the result is of the instant k / fps, computed from k and not summed, so an hour has no
drift. Rates that are written rounded are the exact fractions: 23.976 is 24000 / 1001, 29.97 is
30000 / 1001, 59.94 is 60000 / 1001. Values are interpolated linearly and rotations along the great
arc (slerp). A rate far below that of the motion takes means, so that fast motion does not alias
(`motion.resample`). The result is as long as the motion, to within a frame; between the last
recorded frame and its end it is constant.
"""

import dataclasses
from fractions import Fraction

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.resample import DENSE, resampled, resampled_rotations
from ksdiff_jax.typing import Float

LEAST_FPS, MOST_FPS = 5, 240
_LINEAR = ("exp", "cam", "keyframe_score_expression", "keyframe_score_head")
_ROTATIONS = ("global_orient", "jaw_pose", "neck_pose", "eyes_pose")
_BITS = ("keyframes_expression", "keyframes_head")


def exact_rate(fps: float | int) -> Fraction:
    """Return a frame rate as a fraction; raise `InputError` for one that is not from `LEAST_FPS` to
    `MOST_FPS`.
    """
    if not LEAST_FPS <= fps <= MOST_FPS:  # NaN neither
        raise InputError(
            f"fps {fps:g}: need a frame rate from {LEAST_FPS} to {MOST_FPS}, e.g. 24, 29.97, 60"
        )
    whole = round(fps)
    broadcast = Fraction(whole * 1000, 1001)
    return broadcast if abs(fps - broadcast) < 1e-3 else Fraction(fps).limit_denominator(1000)


def at_frame_rate(motion: MotionClip, fps: float | int) -> MotionClip:
    """Return a motion at `fps` frames per second; raise `InputError` for a rate out of range."""
    rate = exact_rate(fps)
    if float(rate) == motion.fps:
        return motion
    frames = max(1, int(len(motion) * rate / Fraction(motion.fps).limit_denominator(1001)))
    given_s = np.arange(len(motion)) / motion.fps
    # one correctly rounded division for each frame
    wanted_s = np.arange(frames) * rate.denominator / rate.numerator
    values = {name: resampled(getattr(motion, name), given_s, wanted_s) for name in _LINEAR}
    for name in _ROTATIONS:
        joints = np.split(getattr(motion, name), getattr(motion, name).shape[1] // 3, axis=1)
        values[name] = np.concatenate([_turned(joint, given_s, wanted_s) for joint in joints], 1)
    for name in _BITS:
        values[name] = np.zeros(frames, bool)
        at = np.rint(np.flatnonzero(getattr(motion, name)) * float(rate) / motion.fps).astype(int)
        values[name][np.minimum(at, frames - 1)] = True
    meta = motion.meta | {"resampled_from_fps": motion.fps}
    return dataclasses.replace(motion, **values, timestamps=wanted_s, fps=float(rate), meta=meta)


def _turned(
    axis_angle: Float[np.ndarray, "n 3"],
    given_s: Float[np.ndarray, "n"],
    wanted_s: Float[np.ndarray, "t"],
) -> Float[np.ndarray, "t 3"]:
    """Return rotations at other instants, along the great arc between two of them."""
    dense = len(wanted_s) > 1 and wanted_s[1] > DENSE * given_s[-1] / max(len(given_s) - 1, 1)
    if dense or len(given_s) == 1:
        return resampled_rotations(axis_angle, given_s, wanted_s)
    between = Slerp(given_s, Rotation.from_rotvec(axis_angle))
    inside = np.minimum(wanted_s, given_s[-1])
    return between(inside).as_rotvec().astype(axis_angle.dtype)
