"""Prosody: fundamental frequency and energy at 50 Hz, the input of FiLM in the expression path
(KSDiff §2.1).

`extract_prosody` returns raw values (f, 2): f0 in Hz, 0 where unvoiced (probabilistic YIN,
`audio.pitch`), and the natural logarithm of the RMS of the frame's own 20 ms.
Frame i is centred on (i + 1/2) / 50 s and covers samples [320 i, 320 (i + 1)).

`normalise_prosody` computes the model's input from them, per utterance:

    column 0 = z(log f0), mean and deviation over voiced frames,
               unvoiced frames interpolated between them,
    column 1 = z(log energy),

where z(x) = (x - mean) / std. A column is zero if its std is 0 or no frame is voiced; the result is
never NaN.
"""

from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.pitch import WINDOW_SAMPLES, pyin_hz
from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ, SAMPLES_PER_SPEECH_FRAME, speech_frames
from ksdiff_jax.typing import Float

# The pitch tracker uses only this band: rumble below it and fricatives above it hide voicing.
TRACKED_BAND_HZ = (70.0, 1500.0)
ENERGY_FLOOR = 1e-5  # RMS, -100 dB below full scale
CHUNK_FRAMES = 1500  # 30 s: bounds the memory of the pitch tracker
# one second on either side of a chunk, in which the Viterbi path converges
CHUNK_CONTEXT_FRAMES = 50
# A contour with a deviation below this is constant up to rounding: dividing by the deviation would
# amplify noise.
SMALLEST_DEVIATION = 1e-3


def extract_prosody(
    audio: Float[np.ndarray, "s"], *, frames: int | None = None
) -> Float[np.ndarray, "f 2"]:
    """Return raw prosody of samples at 16 kHz: f0 in Hz (0 where unvoiced) and log RMS,
    `speech_frames(s)` rows.

    `frames` sets another number of rows: sound beyond them is ignored, missing sound counts as
    silence.
    """
    frames = speech_frames(len(audio)) if frames is None else frames
    audio = audio[: frames * SAMPLES_PER_SPEECH_FRAME].astype(np.float32, copy=False)
    # a constant offset of the recorder is not energy
    centred = _Centred(audio, audio.mean() if audio.size else np.float32(0))
    pitch_hz, energy = _pitch_hz(centred, frames), _log_energy(centred, frames)
    return np.stack([pitch_hz, energy], axis=-1).astype(np.float32)


def normalise_prosody(raw: Float[np.ndarray, "f 2"]) -> Float[np.ndarray, "f 2"]:
    """Return [log f0, log energy] of one utterance, each with mean 0 and deviation 1 (module
    docstring).
    """
    f0_hz, log_energy = raw[:, 0].astype(np.float64), raw[:, 1].astype(np.float64)
    voiced = f0_hz > 0
    pitch = np.zeros(len(raw))
    if voiced.any():
        log_f0 = np.log(f0_hz[voiced])
        index = np.arange(len(raw))
        pitch = _standardise(np.interp(index, index[voiced], log_f0), reference=log_f0)
    return np.stack([pitch, _standardise(log_energy, reference=log_energy)], axis=-1).astype(
        np.float32
    )


def log_energy(audio: Float[np.ndarray, "s"]) -> Float[np.ndarray, "f"]:
    """Return the natural logarithm of the RMS of each frame's own 20 ms; s is a multiple of 320."""
    return _log_energy(_Centred(audio), len(audio) // SAMPLES_PER_SPEECH_FRAME)


class _Centred(NamedTuple):
    """Sound less its offset, computed part by part, so that long sound is not copied; zero before
    its beginning and after its end.
    """

    audio: Float[np.ndarray, "s"]
    offset: np.floating | None = None

    def between(self, first: int, last: int) -> Float[np.ndarray, "n"]:
        """Return the samples from index `first` up to `last`."""
        inside = self.audio[max(first, 0) : max(last, 0)]
        if self.offset is not None:
            inside = inside - self.offset
        before = min(max(-first, 0), last - first)
        return np.pad(inside, (before, last - first - before - len(inside)))


def _log_energy(sound: _Centred, frames: int) -> Float[np.ndarray, "f"]:
    hop = SAMPLES_PER_SPEECH_FRAME
    power = np.empty(frames)
    for start in range(0, frames, CHUNK_FRAMES):
        stop = min(frames, start + CHUNK_FRAMES)
        part = sound.between(start * hop, stop * hop).reshape(-1, hop).astype(np.float64)
        power[start:stop] = np.mean(part**2, axis=-1)
    return np.log(np.maximum(np.sqrt(power), ENERGY_FLOOR))


def _standardise(values: np.ndarray, *, reference: np.ndarray) -> np.ndarray:
    deviation = reference.std() if reference.size else 0.0
    if deviation < SMALLEST_DEVIATION:
        return np.zeros_like(values)
    return (values - reference.mean()) / deviation


def track_pitch_hz(audio: Float[np.ndarray, "s"]) -> Float[np.ndarray, "f"]:
    """Return f0 per frame of 20 ms, 0 where unvoiced; s is a multiple of 320.

    Long sound is processed in chunks, so that memory is bounded.
    """
    return _pitch_hz(_Centred(audio), len(audio) // SAMPLES_PER_SPEECH_FRAME)


def _pitch_hz(sound: _Centred, frames: int) -> Float[np.ndarray, "f"]:
    hop = SAMPLES_PER_SPEECH_FRAME
    margin = (WINDOW_SAMPLES - hop) // 2  # centres the window on the frame
    pitch = np.zeros(frames)
    for start in range(0, frames, CHUNK_FRAMES):
        stop = min(frames, start + CHUNK_FRAMES)
        first, last = max(0, start - CHUNK_CONTEXT_FRAMES), min(frames, stop + CHUNK_CONTEXT_FRAMES)
        samples = sound.between(first * hop - margin, last * hop + margin)
        pitch[start:stop] = _track(samples)[start - first : stop - first]
    return pitch


def _track(samples: np.ndarray) -> np.ndarray:
    if not np.any(samples):
        return np.zeros(1 + (len(samples) - WINDOW_SAMPLES) // SAMPLES_PER_SPEECH_FRAME)
    import scipy.signal  # with all that it imports, a third of a CPU second

    band = scipy.signal.butter(
        2, TRACKED_BAND_HZ, btype="bandpass", fs=SAMPLE_RATE_HZ, output="sos"
    )
    return pyin_hz(scipy.signal.sosfiltfilt(band, samples))
