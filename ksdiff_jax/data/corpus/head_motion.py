"""Head motion during speech: slow drift, nods on stressed words, and a return to rest at the end of
a phrase.

Measured on real heads (medians over clips of several speakers): the standard deviations of pitch,
yaw and roll are 1.8, 3.1 and 3.1 degrees; half of the power of the rotation is below 0.20 Hz and 90
% below 0.78 Hz. The drift is noise of that spectrum with random Fourier phases. It is random and
cannot be predicted from the sound. Nods can: they follow the stressed syllables, but not all of
them. A rotation about +x lowers the face.
"""

import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.typing import Float

DRIFT_DEGREES = np.array([1.6, 3.7, 3.7])  # pitch, yaw, roll; nods add to the pitch
DRIFT_CORNER_HZ = 0.16
DRIFT_ORDER = 1.9  # above the corner, power falls as frequency to the minus this
TREMOR_HZ = 1.4  # almost no power above this frequency, because a head has mass
NOD_SHARE = 0.4  # of accents
NOD_DEGREES = 1.7
NOD_RISE_S, NOD_FALL_S = 0.12, 0.28
PHRASE_END_DEGREES = 1.2
CAMERA_SCALE = 9.0


def head_rotation(
    rng: np.random.Generator,
    *,
    frames: int,
    accents_s: Float[np.ndarray, "a"],
    accent_strength: Float[np.ndarray, "a"],
    phrase_ends_s: Float[np.ndarray, "n"],
) -> Float[np.ndarray, "t 3"]:
    """Return the global rotation (axis-angle, radians) of one clip."""
    liveliness = float(np.exp(rng.normal(0.0, 0.3)))
    drift = np.stack(
        [smooth_noise(rng, frames=frames, corner_hz=DRIFT_CORNER_HZ) for _ in range(3)], axis=1
    )
    degrees = liveliness * DRIFT_DEGREES * drift
    times = np.arange(frames) / MOTION_RATE_HZ
    for time_s, strength in zip(accents_s, accent_strength, strict=True):
        if rng.random() < NOD_SHARE:
            size = liveliness * strength * rng.gamma(4.0, NOD_DEGREES / 4.0)
            degrees[:, 0] += size * bump(times, time_s + 0.04, rise_s=NOD_RISE_S, fall_s=NOD_FALL_S)
            degrees[:, 1] += (
                0.3 * size * rng.normal() * bump(times, time_s, rise_s=NOD_RISE_S, fall_s=0.5)
            )
    for time_s in phrase_ends_s:
        size = liveliness * PHRASE_END_DEGREES * rng.uniform(0.3, 1.5)
        degrees[:, 0] += size * bump(times, time_s + 0.1, rise_s=0.25, fall_s=0.8)
    return np.radians(degrees).astype(np.float32)


def camera(rng: np.random.Generator, *, frames: int) -> Float[np.ndarray, "t 3"]:
    """Return the weak-perspective camera (scale, tx, ty): one position per clip and an
    imperceptible drift.
    """
    place = np.array([CAMERA_SCALE, 0.0, 0.0]) + rng.normal(0.0, [0.25, 0.004, 0.004])
    drift = np.stack(
        [smooth_noise(rng, frames=frames, corner_hz=DRIFT_CORNER_HZ) for _ in range(3)], axis=1
    )
    return (place + drift * np.array([0.01, 0.001, 0.001])).astype(np.float32)


def smooth_noise(
    rng: np.random.Generator, *, frames: int, corner_hz: float
) -> Float[np.ndarray, "t"]:
    """Return Gaussian noise with power 1 / (1 + (f / corner)^order), cut off above the tremor.

    Its standard deviation is 1 over many draws. It is cut from a stretch of at least a minute, so
    the mean of a short clip may differ from 0.
    """
    length = max(2 * frames, 60 * MOTION_RATE_HZ)
    frequency = np.fft.rfftfreq(length, 1 / MOTION_RATE_HZ)
    amplitude = (1.0 + (frequency / corner_hz) ** DRIFT_ORDER) ** -0.5 * np.exp(
        -0.5 * (frequency / TREMOR_HZ) ** 2
    )
    amplitude[0] = 0.0
    spectrum = amplitude * (rng.normal(size=len(frequency)) + 1j * rng.normal(size=len(frequency)))
    noise = np.fft.irfft(spectrum, length)[:frames]
    return noise * length / np.sqrt(4.0 * np.sum(amplitude**2))


def bump(
    times_s: Float[np.ndarray, "t"], peak_s: float, *, rise_s: float, fall_s: float
) -> Float[np.ndarray, "t"]:
    """Return a smooth pulse of height 1 at `peak_s`: half a Gaussian up, a wider half down."""
    width = np.where(times_s < peak_s, rise_s, fall_s)
    return np.exp(-0.5 * ((times_s - peak_s) / width) ** 2)
