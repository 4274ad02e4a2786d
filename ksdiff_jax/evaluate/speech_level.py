"""The level of speech at 25 Hz, and how mouth and head follow it. Both correlations are ours: they
need no true motion, and `ksdiff-jax evaluate --discriminate` measures what they can tell apart.

    opening_level_correlation   Pearson r of the opening and the level (Gaussian, σ = 1 frame)
    head_level_correlation      Pearson r of log(angular speed + 1 degree/s) and the level (both
                                Gaussian, σ = 4 frames): a head rests in pauses and moves most where
                                a phrase is loud

in [-1, 1]; 0 for a face that does not move, NaN for speech of one level. The smoothing of the head
was chosen on validation clips of the built-in corpus, that of the opening was not varied. The level
is the logarithm of the energy, cut 30 dB below the loud frames (95th percentile), so that the depth
of silence does not matter.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ksdiff_jax.audio.prosody import log_energy
from ksdiff_jax.audio.timebase import MOTION_RATE_HZ, SPEECH_FRAMES_PER_MOTION_FRAME
from ksdiff_jax.evaluate.lips import pearson
from ksdiff_jax.evaluate.pose import angular_speed
from ksdiff_jax.evaluate.valid_frames import Mask, valid
from ksdiff_jax.speech.utterance import whole_frames
from ksdiff_jax.typing import Float

QUIET_DB = 30.0
OPENING_SMOOTHING, HEAD_SMOOTHING = 1.0, 4.0  # σ in frames


def speech_level(audio: Float[np.ndarray, "s"], *, frames: int) -> Float[np.ndarray, "t"]:
    """Return the level of the first `frames` motion frames of a 16 kHz recording, in nepers."""
    sound = whole_frames(audio.astype(np.float32), frames)
    energy = log_energy(sound).astype(np.float64)
    level = energy.reshape(frames, SPEECH_FRAMES_PER_MOTION_FRAME).mean(axis=1)
    return np.maximum(level, np.percentile(level, 95) - QUIET_DB * np.log(10) / 20)


def opening_level_correlation(
    opening: Float[np.ndarray, "t"], level: Float[np.ndarray, "t"], *, mask: Mask = None
) -> float:
    """Return the correlation of the opening of a mouth with the level of the speech."""
    opening, level = valid(mask, opening, level)
    return pearson(opening, gaussian_filter1d(level, OPENING_SMOOTHING))


def head_level_correlation(
    rotation: Float[np.ndarray, "t 3"], level: Float[np.ndarray, "t"], *, mask: Mask = None
) -> float:
    """Return the correlation of the speed of a head with the level of the speech."""
    rotation, level = valid(mask, rotation, level)
    speed = np.degrees(angular_speed(rotation, fps=float(MOTION_RATE_HZ)))
    pace = gaussian_filter1d(np.log(speed + 1.0), HEAD_SMOOTHING)
    return pearson(pace, gaussian_filter1d(level, HEAD_SMOOTHING))
