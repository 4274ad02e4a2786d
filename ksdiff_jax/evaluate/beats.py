"""Beat Align (Bailando, Siyao et al. 2022): how closely a beat of the head matches each audio beat.

    BA = mean over audio beats a of exp(−min_k |t_k − t_a|² / 2σ²),   σ = 3 motion frames

in [0, 1], without unit. Audio beats are onsets (librosa's spectral-flux onset detector); papers on
talking heads differ in them, so their source is an argument, and `level_beats` is another one.
Kinematic beats are the local minima of the angular speed of the head, smoothed by a Gaussian of
σ = 5 frames as in Bailando's code. They are the instants at which the head rests between two
movements. Without the smoothing, jitter has a minimum in every third frame and would score best.
Times are in motion frames at 25 Hz. `ksdiff-jax evaluate --discriminate` measures what the score
can tell apart.
"""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ksdiff_jax.audio.compiled_librosa import librosa_module
from ksdiff_jax.audio.timebase import MOTION_RATE_HZ, SAMPLE_RATE_HZ, SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.evaluate.pose import angular_speed
from ksdiff_jax.evaluate.speech_level import speech_level
from ksdiff_jax.evaluate.valid_frames import Mask, valid
from ksdiff_jax.typing import Float

AudioBeats = Callable[[Float[np.ndarray, "s"]], Float[np.ndarray, "n"]]
SIGMA_FRAMES = 3.0
SMOOTHING_FRAMES = 5.0  # σ of the smoothing of the angular speed
LEVEL_SMOOTHING_FRAMES = 2.0  # of the level of speech


def audio_beats(audio: Float[np.ndarray, "s"]) -> Float[np.ndarray, "n"]:
    """Return onset times of a 16 kHz recording, in motion frames."""
    times_s = librosa_module("onset").onset_detect(
        y=audio, sr=SAMPLE_RATE_HZ, hop_length=160, units="time"
    )
    return np.asarray(times_s, np.float64) * MOTION_RATE_HZ


def level_beats(audio: Float[np.ndarray, "s"]) -> Float[np.ndarray, "n"]:
    """Return the frames at which the level of a 16 kHz recording, smoothed by a Gaussian, has a
    local maximum above its mean: the middles of loud syllables.
    """
    frames = len(audio) // SAMPLES_PER_MOTION_FRAME
    if frames < 3:
        return np.zeros(0)
    level = gaussian_filter1d(speech_level(audio, frames=frames), LEVEL_SMOOTHING_FRAMES)
    peak = (level[1:-1] > level[:-2]) & (level[1:-1] >= level[2:]) & (level[1:-1] > level.mean())
    return np.flatnonzero(peak).astype(np.float64) + 1.0


def kinematic_beats(
    rotation: Float[np.ndarray, "t 3"],
    *,
    smoothing_frames: float = SMOOTHING_FRAMES,
    mask: Mask = None,
) -> Float[np.ndarray, "n"]:
    """Return the frames at which the angular speed of the head has a local minimum, smoothed by a
    Gaussian of `smoothing_frames` (0: not smoothed).
    """
    (rotation,) = valid(mask, rotation)
    speed = angular_speed(rotation, fps=float(MOTION_RATE_HZ))
    if smoothing_frames > 0:
        speed = gaussian_filter1d(speed, smoothing_frames)
    minimum = (speed[1:-1] < speed[:-2]) & (speed[1:-1] <= speed[2:])
    return np.flatnonzero(minimum).astype(np.float64) + 1.0


def beat_align(
    audio_frames: Float[np.ndarray, "n"],
    kinematic_frames: Float[np.ndarray, "k"],
    *,
    sigma_frames: float = SIGMA_FRAMES,
) -> float:
    """Return Bailando's score in [0, 1]; NaN without an audio beat, 0 for a head without beats."""
    if len(audio_frames) == 0:
        return float("nan")
    if len(kinematic_frames) == 0:
        return 0.0
    nearest = np.min(np.abs(audio_frames[:, None] - kinematic_frames[None, :]), axis=1)
    return float(np.mean(np.exp(-(nearest**2) / (2 * sigma_frames**2))))


def beat_alignment(
    audio: Float[np.ndarray, "s"],
    rotation: Float[np.ndarray, "t 3"],
    *,
    source: AudioBeats = audio_beats,
    sigma_frames: float = SIGMA_FRAMES,
    smoothing_frames: float = SMOOTHING_FRAMES,
    mask: Mask = None,
) -> float:
    """Return Beat Align of a recording and a head; `source` finds the audio beats. The defaults are
    Bailando's.
    """
    seen = kinematic_beats(rotation, smoothing_frames=smoothing_frames, mask=mask)
    return beat_align(source(audio), seen, sigma_frames=sigma_frames)
