"""Tests whether a face is the speaker, and measures the offset of its sound.

The mouth's opening is compared with the opening that the sound suggests, at every shift within
±0.48 s:

    ô_t = Σ_k Σ_b w_kb · mel_{t+k, b}        |k| <= 5 frames, 40 bands

The weights w are a ridge regression on the built-in corpus, whose sound and motion have no offset
(asset_builders/sound_weights.py). Both curves lose what is slower than about a second, because a
sentence between two silences correlates with itself at shifts of many frames. The shift of the
highest correlation is the audio-visual offset. It is sure if every other peak is lower by
`SURE_LEAD`. (The level of the sound is of no use here: a mouth opens before it is loud and closes
after, and on GRID's sentences the level correlates best at shifts of +6 to +12 frames.)

Measured on 136 clips of three seconds of GRID's talkers, whose offset is 0 ± 1 frames by a ridge on
other talkers' mouths: the offset is within one frame in 84 %; of the 49 that are sure, in all. Both
speeches of 20 and 30 s are sure, with the offsets -4 and -2 that the other ridge finds too. The
lead was chosen on these clips.

A face that hardly moves its mouth while there is sound does not speak at all.
"""

import functools
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from ksdiff_jax.audio.mel import log_mel, normalise_mel
from ksdiff_jax.audio.prosody import log_energy
from ksdiff_jax.audio.timebase import (
    MOTION_RATE_HZ,
    SAMPLES_PER_SPEECH_FRAME,
    SPEECH_FRAMES_PER_MOTION_FRAME,
)
from ksdiff_jax.typing import Array, Bool, Float

WEIGHTS_FILE = Path(__file__).parents[2] / "assets" / "sound_weights.npz"
MEL_BANDS, REACH_FRAMES = 40, 5
LARGEST_OFFSET_FRAMES = 12
SLOW_FRAMES = 4.0  # deviation of the Gaussian mean that both curves are reduced by
PEAK_FRAMES = 2  # shifts this near belong to the same peak
SURE_LEAD = 0.3  # of the correlation at the peak over that at any other
# Estimates scatter by one frame; a smaller offset is not corrected.
LEAST_CORRECTED_FRAMES = 2
# Of the face's height. The stillest of six real speakers moves by 0.014.
STILL_MOUTH_STD = 0.005
# Natural logarithm of the root mean square, full scale 1: -46 dB. Quieter sound does not count as
# speech.
SPEECH_LEVEL = np.log(0.005)
SPEECH_SHARE = 0.2
_BLOCK = 512  # speech frames; sound is padded to a multiple, so that few lengths are compiled


class AudioVisualOffset(NamedTuple):
    """The relation between a mouth and a sound."""

    offset_s: float  # positive: the mouth moves later than the sound; NaN if undefined
    correlation: float  # at that offset; NaN if undefined
    lead: float  # of that correlation over the one at any other peak; NaN if undefined
    speaks: bool

    @property
    def sure(self) -> bool:
        """Return whether the offset is certain enough to be corrected."""
        return self.lead > SURE_LEAD

    @property
    def frames(self) -> int:
        """Return the motion frames by which the sound is to be moved: those of a sure offset of
        `LEAST_CORRECTED_FRAMES` or more, otherwise 0.
        """
        frames = round(self.offset_s * MOTION_RATE_HZ) if self.sure else 0  # NaN is not sure
        return frames if abs(frames) >= LEAST_CORRECTED_FRAMES else 0


def audio_visual_offset(
    opening: Float[np.ndarray, "t"], audio: Float[np.ndarray, "s"]
) -> AudioVisualOffset:
    """Compare mouth openings over face height at 25 Hz with the sound of the same instants at 16
    kHz.
    """
    level = _at_motion_rate(log_energy(audio))
    frames = min(len(level), len(opening))
    level, opening = level[:frames], opening[:frames]
    heard = float(np.mean(level > SPEECH_LEVEL)) if frames else 0.0
    speaks = not (heard > SPEECH_SHARE and float(np.std(opening)) < STILL_MOUTH_STD)
    shifts = np.arange(-LARGEST_OFFSET_FRAMES, LARGEST_OFFSET_FRAMES + 1)
    if frames <= 3 * LARGEST_OFFSET_FRAMES:
        return AudioVisualOffset(np.nan, np.nan, np.nan, speaks)
    mouth, sound = _fast_part(opening), _fast_part(suggested_opening(audio)[:frames])
    found = np.array([_correlation(mouth, sound, int(shift)) for shift in shifts])
    if not np.isfinite(found).all():
        return AudioVisualOffset(np.nan, np.nan, np.nan, speaks)
    best = int(found.argmax())
    others = found[np.abs(shifts - shifts[best]) > PEAK_FRAMES]
    lead = float(found[best] - others.max())
    if abs(shifts[best]) == LARGEST_OFFSET_FRAMES:  # the peak may be beyond
        lead = 0.0
    return AudioVisualOffset(float(shifts[best]) / MOTION_RATE_HZ, float(found[best]), lead, speaks)


def suggested_opening(audio: Float[np.ndarray, "s"]) -> Float[np.ndarray, "t"]:
    """Return the mouth opening that a sound suggests, without scale and offset, at 25 Hz."""
    rows = mel_rows(audio)
    return rows @ _weights().reshape(-1)


def mel_rows(audio: Float[np.ndarray, "s"]) -> Float[np.ndarray, "t d"]:
    """Return the log-mel bands of frames t - 5 to t + 5 for each motion frame t, normalised over
    the sound; beyond the ends the first and the last are repeated.
    """
    count = len(audio) // SAMPLES_PER_SPEECH_FRAME
    padded = -(-count // _BLOCK) * _BLOCK
    samples = np.zeros((1, padded * SAMPLES_PER_SPEECH_FRAME), np.float32)
    samples[0, : count * SAMPLES_PER_SPEECH_FRAME] = audio[: count * SAMPLES_PER_SPEECH_FRAME]
    mel = _normalised_mel(samples, np.arange(padded)[None] < count)
    mel = _at_motion_rate(np.asarray(mel)[0, :count])
    around = np.pad(mel, ((REACH_FRAMES, REACH_FRAMES), (0, 0)), mode="edge")
    return np.concatenate([around[k : k + len(mel)] for k in range(2 * REACH_FRAMES + 1)], axis=1)


@jax.jit
def _normalised_mel(audio: Float[Array, "b s"], mask: Bool[Array, "b f"]) -> Float[Array, "b f d"]:
    return normalise_mel(log_mel(audio, bands=MEL_BANDS), mask)


@functools.cache
def _weights() -> Float[np.ndarray, "k d"]:
    with np.load(WEIGHTS_FILE) as content:
        return content["weights"]


def _at_motion_rate(values: Float[np.ndarray, "f *d"]) -> Float[np.ndarray, "t *d"]:
    """Return the mean of the speech frames of each motion frame."""
    per = SPEECH_FRAMES_PER_MOTION_FRAME
    whole = values[: len(values) // per * per]
    return whole.reshape(-1, per, *values.shape[1:]).mean(axis=1)


def _fast_part(curve: Float[np.ndarray, "t"]) -> Float[np.ndarray, "t"]:
    """Return a curve minus its Gaussian mean, mirrored at the ends."""
    reach = int(4 * SLOW_FRAMES)
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * SLOW_FRAMES**2))
    mirrored = np.pad(curve, reach, mode="reflect")
    return curve - np.convolve(mirrored, weights / weights.sum(), "valid")


def _correlation(mouth: Float[np.ndarray, "t"], sound: Float[np.ndarray, "t"], shift: int) -> float:
    """Return the correlation of the mouth with the sound `shift` frames before it; NaN if one of
    them does not move.
    """
    mouth, sound = mouth[max(0, shift) :], sound[max(0, -shift) :]
    overlap = min(len(mouth), len(sound))
    mouth, sound = mouth[:overlap], sound[:overlap]
    if min(np.std(mouth), np.std(sound)) < 1e-6:
        return np.nan
    return float(np.corrcoef(mouth, sound)[0, 1])
