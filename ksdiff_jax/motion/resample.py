"""Resamples motion from its recorded time stamps to others.

Between two recorded instants values are interpolated linearly, and rotations along the shorter arc.
If the recording is denser than the requested instants (50 or 60 Hz to 25), each result is the mean
of the interpolant over one requested period, so that motion faster than half the requested rate
does not alias. Otherwise the result is the interpolant itself.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.typing import Float

# Average if there are more than this many recorded instants per requested one.
DENSE = 1.5


def resampled(
    values: Float[np.ndarray, "n *k"],
    times_s: Float[np.ndarray, "n"],
    wanted_s: Float[np.ndarray, "t"],
) -> Float[np.ndarray, "t *k"]:
    """Resample values recorded at increasing instants to other increasing instants; they are
    constant beyond both ends.
    """
    if len(values) == 1 or len(wanted_s) == 0:
        return np.repeat(values[:1], len(wanted_s), axis=0)
    flat = values.reshape(len(values), -1).astype(np.float64)
    period_s = float(np.median(np.diff(wanted_s))) if len(wanted_s) > 1 else 0.0
    if period_s > DENSE * float(np.median(np.diff(times_s))):
        first, last = (
            _integral(flat, times_s, wanted_s + half) for half in (-period_s / 2, period_s / 2)
        )
        line = (last - first) / period_s
    else:
        line = _between(flat, times_s, wanted_s)
    return line.reshape(len(wanted_s), *values.shape[1:]).astype(values.dtype)


def resampled_rotations(
    axis_angle: Float[np.ndarray, "n 3"],
    times_s: Float[np.ndarray, "n"],
    wanted_s: Float[np.ndarray, "t"],
) -> Float[np.ndarray, "t 3"]:
    """Resample rotations in the same way, as unit quaternions whose signs are made consistent from
    one to the next.
    """
    quaternions = Rotation.from_rotvec(axis_angle).as_quat()
    flips = np.cumprod(np.where((quaternions[1:] * quaternions[:-1]).sum(axis=1) < 0, -1.0, 1.0))
    quaternions[1:] *= flips[:, None]
    return (
        Rotation.from_quat(resampled(quaternions, times_s, wanted_s))
        .as_rotvec()
        .astype(axis_angle.dtype)
    )


def _between(values: np.ndarray, times_s: np.ndarray, wanted_s: np.ndarray) -> np.ndarray:
    after = np.clip(np.searchsorted(times_s, wanted_s), 1, len(times_s) - 1)
    share = np.clip((wanted_s - times_s[after - 1]) / (times_s[after] - times_s[after - 1]), 0, 1)[
        :, None
    ]
    return values[after - 1] * (1 - share) + values[after] * share


def _integral(values: np.ndarray, times_s: np.ndarray, until_s: np.ndarray) -> np.ndarray:
    """Return the integral of the interpolant from the first instant to each of `until_s`; beyond
    both ends the interpolant is constant.
    """
    steps = np.diff(times_s)[:, None]
    whole = np.concatenate(
        [np.zeros((1, values.shape[1])), np.cumsum(steps * (values[1:] + values[:-1]) / 2, axis=0)]
    )
    inside = np.clip(until_s, times_s[0], times_s[-1])
    before = np.clip(np.searchsorted(times_s, inside, side="right") - 1, 0, len(times_s) - 2)
    part = (inside - times_s[before])[:, None]
    total = whole[before] + part * (values[before] + _between(values, times_s, inside)) / 2
    early = np.minimum(until_s - times_s[0], 0)[:, None]
    late = np.maximum(until_s - times_s[-1], 0)[:, None]
    return total + early * values[0] + late * values[-1]
