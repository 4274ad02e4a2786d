"""Whisper's log-mel frames (Radford et al. 2022, §2.2): 100 a second, from windows of 25 ms.

Frame j is centred on sample 160 j and reads the 400 samples from 160 j - 200 on:

    X = rfft(hann window * x),    P = filters @ |X|^2,    y = log10(max(P, 1e-10))
    normalised = (max(y, m - 8) + 4) / 4,                 m = the maximum of y over a recording

The filters are triangles between 0 and 8 kHz, as in `audio.mel`. Before the first sample a
recording is mirrored; behind its last one there is silence. y is local, m is not. m is over all
sound that is known where y is normalised: the whole recording, in chunks too; for a sliding window,
the sound from the beginning of the recording to the end of the window.
"""

import functools

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.audio.mel import mel_filters
from ksdiff_jax.fourier import rfft
from ksdiff_jax.typing import Array, Float

WINDOW_SAMPLES = 400
HOP_SAMPLES = 160
EDGE = WINDOW_SAMPLES // 2  # samples of the first window that lie before the recording
RANGE_HZ = (0.0, 8000.0)
POWER_FLOOR = 1e-10
DECADES = 8.0  # below the maximum, all is equally silent


def decades(padded: Float[Array, "b s"], *, bands: int) -> Float[Array, "b n {bands}"]:
    """Return y of n = (s - 400) // 160 + 1 frames, from sound with its edges."""
    padded = padded.astype(jnp.float32)
    frames = (padded.shape[1] - WINDOW_SAMPLES) // HOP_SAMPLES + 1
    # Windows are two and a half hops long: slices of every fifth of a window, instead of a gather.
    step = HOP_SAMPLES // 2
    parts = padded[:, : (2 * frames + 3) * step].reshape(padded.shape[0], 2 * frames + 3, step)
    windows = jnp.concatenate([parts[:, k : k + 2 * frames : 2] for k in range(5)], axis=-1)
    spectrum = rfft(windows * _hann_window())
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    filters = mel_filters(bands, points=WINDOW_SAMPLES, range_hz=RANGE_HZ)
    return jnp.log10(jnp.maximum(power @ filters.T, POWER_FLOOR))


def normalised(y: Float[Array, "b n m"], maximum: Float[Array, "b"]) -> Float[Array, "b n m"]:
    """Return y above its floor, scaled as Whisper reads it."""
    return (jnp.maximum(y, maximum[:, None, None] - DECADES) + 4.0) / 4.0


def mirrored(audio: Float[Array, "b s"], *, silence: int) -> Float[Array, "b _"]:
    """Return the sound with its edges: a mirror image before it, and `silence` samples and the half
    of a window behind it.
    """
    edge = audio[:, EDGE:0:-1]
    return jnp.concatenate([edge, jnp.pad(audio, ((0, 0), (0, silence + EDGE)))], axis=1)


@functools.lru_cache
def _hann_window() -> np.ndarray:
    phase = 2 * np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)
