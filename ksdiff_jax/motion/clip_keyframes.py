"""Keyframe targets of one whole clip in NumPy, for the processes that read training data.

The definition is that of `motion/keyframes.py`. A training crop has the bits of its clip: with a
threshold of its own, other frames of the crop would be keyframes.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks
from scipy.spatial.transform import Rotation

from ksdiff_jax.motion import space
from ksdiff_jax.typing import Bool, Float


def clip_keyframes(
    motion: Float[np.ndarray, "t 59"],
    *,
    smoothing_frames: float = 2.0,
    threshold_std: float = 0.5,
    jaw: bool = True,
) -> Bool[np.ndarray, "t 2"]:
    """Return the keyframes (expression, head) of a clip; `jaw` counts the jaw as part of the
    head.
    """
    bits = np.zeros((len(motion), 2), bool)
    for track, change in enumerate(_motion_change(motion.astype(np.float64), jaw=jaw)):
        smooth = gaussian_filter1d(change, smoothing_frames, mode="reflect")
        # `plateau_size` makes the first frames of plateaus known.
        peaks, about = find_peaks(smooth, plateau_size=1)
        high = smooth[peaks] > smooth.mean() + threshold_std * smooth.std()
        bits[about["left_edges"][high], track] = True
    return bits


def _motion_change(
    motion: Float[np.ndarray, "t 59"], *, jaw: bool
) -> tuple[Float[np.ndarray, "t"], Float[np.ndarray, "t"]]:
    """Return the frame-to-frame change (δ_e, δ_h) of Eq. 3, both 0 at the first frame."""
    turns = Rotation.from_rotvec(motion[:, space.ROTATION])
    angle = (turns[1:] * turns[:-1].inv()).magnitude()
    moving = motion[:, (space.JAW if jaw else space.CAMERA).start : space.CAMERA.stop]
    head = angle + np.linalg.norm(np.diff(moving, axis=0), axis=1)
    expression = np.linalg.norm(np.diff(motion[:, space.EXPRESSION], axis=0), axis=1)
    return np.pad(expression, (1, 0)), np.pad(head, (1, 0))
