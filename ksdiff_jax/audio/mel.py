"""Log-mel spectrogram at 50 Hz in JAX: the front end of the speech encoder that needs no download.

Frame i covers samples [320 i, 320 (i + 1)). Its 40 ms Hann window is [320 i - 160, 320 i + 480),
centred on the frame's own 20 ms. Samples beyond both ends of the array are zero, so zeros appended
to a clip do not change any of its frames.

    X = rfft(window * x, 1024 points),   mel = filters @ |X|^2,   log_mel = log(max(mel, 1e-5))

with the triangular filters of Slaney's Auditory Toolbox between 60 Hz and 7.6 kHz, equal to
librosa's default filters.
"""

import functools
import math

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ, SAMPLES_PER_SPEECH_FRAME
from ksdiff_jax.fourier import rfft
from ksdiff_jax.typing import Array, Bool, Float

WINDOW_SAMPLES = 2 * SAMPLES_PER_SPEECH_FRAME  # 40 ms
FFT_POINTS = 1024
MEL_RANGE_HZ = (60.0, 7600.0)
POWER_FLOOR = 1e-5
# of running statistics: mean and deviation of log-mel frames over clips of the built-in corpus
PRIOR_FRAMES, PRIOR_MEAN, PRIOR_DEVIATION = 50.0, -7.5, 3.0
_LOGARITHMIC_HZ, _HZ_PER_MEL = 1000.0, 200.0 / 3
_LOG_PER_MEL = math.log(6.4) / 27


def log_mel(audio: Float[Array, "b s"], *, bands: int) -> Float[Array, "b f {bands}"]:
    """Return log-mel frames of waveforms at 16 kHz; s is a multiple of 320 and f = s / 320."""
    batch, samples = audio.shape
    hop = SAMPLES_PER_SPEECH_FRAME
    padded = jnp.pad(audio.astype(jnp.float32), ((0, 0), (hop // 2, hop // 2)))
    hops = padded.reshape(batch, samples // hop + 1, hop)
    # The window is two hops long. Each hop is padded to its position and the two are added, because
    # concatenation is slow in XLA on a CPU.
    window, room = _hann_window(), FFT_POINTS - WINDOW_SAMPLES
    first = jnp.pad(hops[:, :-1] * window[:hop], ((0, 0), (0, 0), (0, hop + room)))
    second = jnp.pad(hops[:, 1:] * window[hop:], ((0, 0), (0, 0), (hop, room)))
    spectrum = rfft(first + second)  # (b, f, 513)
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)  # (b, f, 513)
    filters = mel_filters(bands, points=FFT_POINTS, range_hz=MEL_RANGE_HZ)
    return jnp.log(jnp.maximum(power @ filters.T, POWER_FLOOR))


def normalise_mel(
    mel: Float[Array, "b f bands"], mask: Bool[Array, "b f"]
) -> Float[Array, "b f bands"]:
    """Normalise each band of each utterance to mean 0 and variance 1 over its valid frames; invalid
    frames become 0.
    """
    weight = mask[..., None].astype(mel.dtype)
    count = jnp.maximum(weight.sum(axis=1, keepdims=True), 1.0)
    mean = (mel * weight).sum(axis=1, keepdims=True) / count
    variance = (jnp.square(mel - mean) * weight).sum(axis=1, keepdims=True) / count
    # The floor keeps constant bands (digital silence) at 0; in bands with sound the standard
    # deviation exceeds 1 neper.
    return (mel - mean) * weight / jnp.sqrt(variance + 1e-2)


def normalise_mel_so_far(
    mel: Float[Array, "b f bands"], mask: Bool[Array, "b f"]
) -> Float[Array, "b f bands"]:
    """Normalise each frame of each band by mean and variance of the frames up to it, and of a prior
    that counts as `PRIOR_FRAMES` frames; invalid frames become 0.
    """
    weight = mask[..., None].astype(mel.dtype)
    count = jnp.cumsum(weight, axis=1) + PRIOR_FRAMES
    about = (mel - PRIOR_MEAN) * weight
    mean = jnp.cumsum(about, axis=1) / count
    squares = jnp.cumsum(jnp.square(about), axis=1) + PRIOR_FRAMES * PRIOR_DEVIATION**2
    variance = jnp.maximum(squares / count - jnp.square(mean), 0.0)
    return (about - mean) * weight / jnp.sqrt(variance + 1e-2)


@functools.lru_cache
def mel_filters(
    bands: int, *, points: int, range_hz: tuple[float, float]
) -> Float[np.ndarray, "{bands} k"]:
    """Return triangles over the bins of a spectrum of `points` samples, with corners evenly spaced
    in mel, each of area 1 over frequency.
    """
    low, high = (_mel_of(frequency) for frequency in range_hz)
    # each band starts, peaks and ends at three neighbouring corners
    corners = _hertz_of(np.linspace(low, high, bands + 2))
    bins = np.arange(points // 2 + 1) * (SAMPLE_RATE_HZ / points)
    beyond = corners[:, None] - bins
    width = np.diff(corners)[:, None]
    triangles = (
        np.minimum(-beyond[:-2] / width[:-1], beyond[2:] / width[1:])
        .clip(min=0.0)
        .astype(np.float32)
    )
    return (triangles * (2.0 / (corners[2:] - corners[:-2]))[:, None]).astype(np.float32)


def _mel_of(frequency_hz: float) -> float:
    """Return the mel value on Slaney's scale: linear up to 1 kHz, logarithmic above."""
    if frequency_hz < _LOGARITHMIC_HZ:
        return frequency_hz / _HZ_PER_MEL
    return _LOGARITHMIC_HZ / _HZ_PER_MEL + math.log(frequency_hz / _LOGARITHMIC_HZ) / _LOG_PER_MEL


def _hertz_of(mel: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Return the frequency of mel values: the inverse of `_mel_of`."""
    beyond = mel - _LOGARITHMIC_HZ / _HZ_PER_MEL
    return np.where(beyond < 0, _HZ_PER_MEL * mel, _LOGARITHMIC_HZ * np.exp(_LOG_PER_MEL * beyond))


@functools.lru_cache
def _hann_window() -> np.ndarray:
    """Return the periodic Hann window: two of them, one hop apart, add to one."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES)).astype(
        np.float32
    )
