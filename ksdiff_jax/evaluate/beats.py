"""Beat Align (Bailando, Siyao et al. 2022): how closely a beat of the head matches each audio beat.

    BA = mean over audio beats a of exp(−min_k |t_k − t_a|² / 2σ²),   σ = 3 motion frames

Audio beats are onsets (librosa's spectral-flux onset detector). Kinematic beats are the local
minima of the angular speed of the head, smoothed by a Gaussian of σ = 5 frames as in Bailando's
code. They are the instants at which the head rests between two movements. Without the smoothing,
jitter has a minimum in every third frame and would score best. Times are in motion frames at 25 Hz.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ksdiff_jax.audio.compiled_librosa import librosa_module
from ksdiff_jax.audio.timebase import MOTION_RATE_HZ, SAMPLE_RATE_HZ
from ksdiff_jax.evaluate.pose import angular_speed
from ksdiff_jax.typing import Float

SIGMA_FRAMES = 3.0
SMOOTHING_FRAMES = 5.0  # σ of the smoothing of the angular speed


def audio_beats(audio: Float[np.ndarray, "s"]) -> Float[np.ndarray, "n"]:
    """Return onset times of a 16 kHz recording, in motion frames."""
    times_s = librosa_module("onset").onset_detect(
        y=audio, sr=SAMPLE_RATE_HZ, hop_length=160, units="time"
    )
    return np.asarray(times_s, np.float64) * MOTION_RATE_HZ


def kinematic_beats(rotation: Float[np.ndarray, "t 3"]) -> Float[np.ndarray, "n"]:
    """Return the frames at which the smoothed angular speed of the head has a local minimum."""
    speed = gaussian_filter1d(angular_speed(rotation, fps=float(MOTION_RATE_HZ)), SMOOTHING_FRAMES)
    minimum = (speed[1:-1] < speed[:-2]) & (speed[1:-1] <= speed[2:])
    return np.flatnonzero(minimum).astype(np.float64) + 1.0


def beat_align(
    audio_frames: Float[np.ndarray, "n"], kinematic_frames: Float[np.ndarray, "k"]
) -> float:
    """Return Bailando's score in [0, 1]; NaN without an audio beat, 0 for a head without beats."""
    if len(audio_frames) == 0:
        return float("nan")
    if len(kinematic_frames) == 0:
        return 0.0
    nearest = np.min(np.abs(audio_frames[:, None] - kinematic_frames[None, :]), axis=1)
    return float(np.mean(np.exp(-(nearest**2) / (2 * SIGMA_FRAMES**2))))
