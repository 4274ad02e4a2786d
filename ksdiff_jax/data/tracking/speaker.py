"""Tests whether a face is the speaker, and measures the offset of its sound.

The mouth's opening is compared with the level of the sound at every shift within ±0.32 s. Over a
few seconds that is weak evidence (other people's sentences also correlate with a mouth), so the
result is only a measurement: the shift of the highest correlation is the audio-visual offset, and
the correlation is returned with it as its reliability. The only certain finding is a face that does
not speak at all: its mouth hardly moves while there is sound.
"""

from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.prosody import log_energy
from ksdiff_jax.audio.timebase import SPEECH_FRAMES_PER_MOTION_FRAME
from ksdiff_jax.typing import Float

LARGEST_OFFSET_FRAMES = 8
# Of the face's height. The stillest of six real speakers moves by 0.014.
STILL_MOUTH_STD = 0.005
# Natural logarithm of the root mean square, full scale 1: -46 dB. Quieter sound does not count as
# speech.
SPEECH_LEVEL = np.log(0.005)
SPEECH_SHARE = 0.2


class AudioVisualOffset(NamedTuple):
    """The relation between a mouth and a sound."""

    offset_s: float  # positive: the mouth moves later than the sound; NaN if undefined
    correlation: float  # at that offset; NaN if undefined
    speaks: bool


def audio_visual_offset(
    opening: Float[np.ndarray, "t"], audio: Float[np.ndarray, "s"]
) -> AudioVisualOffset:
    """Compare mouth openings over face height at 25 Hz with the sound of the same instants at 16
    kHz.
    """
    level = log_energy(audio)
    level = level[: len(level) // SPEECH_FRAMES_PER_MOTION_FRAME * SPEECH_FRAMES_PER_MOTION_FRAME]
    level = level.reshape(-1, SPEECH_FRAMES_PER_MOTION_FRAME).mean(axis=1)
    frames = min(len(level), len(opening))
    level, opening = level[:frames], opening[:frames]
    heard = float(np.mean(level > SPEECH_LEVEL)) if frames else 0.0
    speaks = not (heard > SPEECH_SHARE and float(np.std(opening)) < STILL_MOUTH_STD)
    smooth = np.convolve(
        np.pad(np.maximum(level, SPEECH_LEVEL), 2, mode="edge"),
        np.array([1, 2, 3, 2, 1]) / 9,
        "valid",
    )
    best, correlation = np.nan, -np.inf
    for shift in sorted(range(-LARGEST_OFFSET_FRAMES, LARGEST_OFFSET_FRAMES + 1), key=abs):
        mouth, sound = opening[max(0, shift) :], smooth[max(0, -shift) :]
        overlap = min(len(mouth), len(sound))
        if (
            overlap > 2 * LARGEST_OFFSET_FRAMES
            and min(np.std(mouth[:overlap]), np.std(sound[:overlap])) > 1e-6
        ):
            here = float(np.corrcoef(mouth[:overlap], sound[:overlap])[0, 1])
            if here > correlation:
                best, correlation = shift / 25, here
    return AudioVisualOffset(best, correlation if np.isfinite(correlation) else np.nan, speaks)
