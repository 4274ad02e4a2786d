"""Head motion during speech: a random drift, whose pace follows the speech, and nods and tilts that
mark it.

    R(t) = drift(τ(t)) + nods(t) + phrases(t),   dτ/dt = pace(t)

The drift is noise with random Fourier phases: where the head turns cannot be predicted from the
sound. How fast it turns can. Measured on the 50 seconds of two speeches by one person:

| | measured | here |
|---|---|---|
| speed in pauses of half a second or more, over the speed in speech | 0.35, 0.49 | `PAUSE_PACE` |
| the head slows before the sound ends, and starts before it begins, by | 0.2 s, 0.1 s | `LEADS_S` |
| speed when a phrase begins, over the mean | 1.6, 2.3 | `ONSET_PACE` |
| speed within 0.2 s of a peak of the energy, over the mean | 1.35, 1.38 | `ACCENT_PACE` |
| the face sinks in the 0.6 s before the end of a phrase, by | 1.7°, 2.9° | `PHRASE_END_DEGREES` |
| the face rises before a peak of the energy, by | 0.4°, 1.4° | `nod` |
| and sinks in the second after it, by | 1.5°, 2.9° | `NOD_DEGREES` |

Over the clips of several people (medians) the standard deviations of pitch, yaw and roll are 1.8,
3.1 and 3.1 degrees, the speed is 9 degrees a second and 32 at its 95th percentile, half of the
power is below 0.20 Hz and 90 % below 0.78 Hz. A rotation about +x lowers the face.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.typing import Float

DRIFT_DEGREES = np.array([1.6, 3.9, 3.7])  # pitch, yaw, roll; nods and phrases add to the pitch
DRIFT_CORNER_HZ = 0.16
DRIFT_ORDER = 1.9  # above the corner, power falls as frequency to the minus this
TREMOR_HZ = 1.4  # almost no power above this frequency, because a head has mass
LIVELINESS = 0.3  # std of the logarithm of the size of a clip's motion
SPEECH_PACE, PAUSE_PACE, ONSET_PACE, ACCENT_PACE = 0.5, 0.2, 1.8, 1.1
LEADS_S = 0.2, 0.04
LONG_PAUSE_S = 0.25  # shorter ones do not slow the head
NOD_SHARE = 0.5  # of accents
NOD_DEGREES = 2.2
NOD_RISE_S, NOD_FALL_S = 0.1, 0.28
PHRASE_END_DEGREES = 2.2
CAMERA_SCALE = 9.0


def head_rotation(
    rng: np.random.Generator,
    *,
    frames: int,
    accents_s: Float[np.ndarray, "a"],
    accent_strength: Float[np.ndarray, "a"],
    pauses_s: Float[np.ndarray, "n 2"],
) -> Float[np.ndarray, "t 3"]:
    """Return the global rotation (axis-angle, radians) of one clip; `pauses_s` are the begin and
    the end of every stretch without speech.
    """
    liveliness = float(np.exp(rng.normal(0.0, LIVELINESS)))
    times = np.arange(frames) / MOTION_RATE_HZ
    speech = {"accents_s": accents_s, "accent_strength": accent_strength, "pauses_s": pauses_s}
    degrees = DRIFT_DEGREES * paced_drift(rng, pace(times, **speech))
    for time_s, strength in zip(accents_s, accent_strength, strict=True):
        if rng.random() < NOD_SHARE:
            size = strength * rng.gamma(4.0, NOD_DEGREES / 4.0)
            degrees[:, 0] += size * nod(times, time_s)
            turn = bump(times, time_s, rise_s=NOD_RISE_S, fall_s=0.5)
            degrees[:, 1] += 0.3 * size * rng.normal() * turn
    for begin_s, end_s in pauses_s:
        size = PHRASE_END_DEGREES * rng.uniform(0.3, 1.7)
        if end_s - begin_s >= LONG_PAUSE_S:
            degrees[:, 0] += size * lowered(times, begin_s, end_s)
    return np.radians(liveliness * degrees).astype(np.float32)


def pace(
    times_s: Float[np.ndarray, "t"],
    *,
    accents_s: Float[np.ndarray, "a"],
    accent_strength: Float[np.ndarray, "a"],
    pauses_s: Float[np.ndarray, "n 2"],
) -> Float[np.ndarray, "t"]:
    """Return how fast the drift runs at each time: slow in pauses, fast when a phrase begins and at
    strong accents. It is a function of the speech alone.
    """
    rate = np.full(len(times_s), SPEECH_PACE)
    for time_s, strength in zip(accents_s, accent_strength, strict=True):
        beat = bump(times_s, time_s + 0.04, rise_s=0.1, fall_s=0.12)
        rate += ACCENT_PACE * max(0.0, strength - 0.5) * beat
    for begin_s, end_s in pauses_s:
        if end_s - begin_s >= LONG_PAUSE_S:
            rests = (times_s >= begin_s - LEADS_S[0]) & (times_s < end_s - LEADS_S[1])
            rate[rests] = PAUSE_PACE
    rate = gaussian_filter1d(rate, 1.0, mode="nearest")
    for begin_s, end_s in pauses_s:
        if end_s - begin_s >= LONG_PAUSE_S and end_s < times_s[-1]:
            rate += ONSET_PACE * bump(times_s, end_s + 0.06, rise_s=0.07, fall_s=0.14)
    return rate


def paced_drift(rng: np.random.Generator, rate: Float[np.ndarray, "t"]) -> Float[np.ndarray, "t 3"]:
    """Return three independent drifts of unit deviation that run at this rate."""
    at = np.cumsum(rate) - rate[0]
    length = int(np.ceil(at[-1])) + 2
    drifts = [smooth_noise(rng, frames=length, corner_hz=DRIFT_CORNER_HZ) for _ in range(3)]
    return np.stack([np.interp(at, np.arange(length), drift) for drift in drifts], axis=1)


def nod(times_s: Float[np.ndarray, "t"], accent_s: float) -> Float[np.ndarray, "t"]:
    """Return a nod of unit size: the face rises a little before the accent and falls after it."""
    rise = bump(times_s, accent_s - 0.1, rise_s=0.18, fall_s=0.1)
    return bump(times_s, accent_s + 0.14, rise_s=NOD_RISE_S, fall_s=NOD_FALL_S) - 0.4 * rise


def lowered(
    times_s: Float[np.ndarray, "t"], begin_s: float, end_s: float
) -> Float[np.ndarray, "t"]:
    """Return 1 in a pause and 0 far from it: the face sinks slowly before the pause and rises fast
    when speech begins again.
    """
    sinks = 0.5 + 0.5 * np.tanh((times_s - begin_s + LEADS_S[0]) / 0.2)
    rises = 0.5 + 0.5 * np.tanh((times_s - end_s - 0.08) / 0.1)
    return sinks * (1 - rises)


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
