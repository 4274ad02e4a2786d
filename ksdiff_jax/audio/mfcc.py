"""Mel-frequency cepstral coefficients as SyncNet was trained on them: the defaults of the library
python_speech_features, of 16 kHz sound in whole numbers of 16 bits.

    y_n = x_n - 0.97 x_{n-1}                              pre-emphasis, y_0 = x_0
    P_ik = |DFT_512(y[160 i : 160 i + 400])_k|² / 512     frames of 25 ms, 100 Hz, rectangular
    E_ij = log(Σ_k F_jk P_ik)                             26 triangles from 0 to 8 kHz
    c_im = (1 + 11 sin(π m / 22)) Σ_j D_mj E_ij           orthonormal DCT-II, 13 of 26, liftered
    c_i0 = log(Σ_k P_ik)                                  the energy replaces the first one

The corners of the triangles lie evenly on the scale mel(f) = 2595 log10(1 + f / 700) and are
rounded down to bins, floor(513 f / 16000), as there. A logarithm of 0 is that of the smallest
double-precision step. The last frame is padded with zeros.
"""

import functools

import numpy as np

from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ
from ksdiff_jax.typing import Float, Int

MFCC_RATE_HZ = 100
COEFFICIENTS = 13
_WINDOW, _HOP, _POINTS, _BANDS, _LIFTER = 400, SAMPLE_RATE_HZ // MFCC_RATE_HZ, 512, 26, 22
_PRE_EMPHASIS = 0.97
_EPS = np.finfo(np.float64).eps


def mfcc(audio: Int[np.ndarray, "s"]) -> Float[np.ndarray, "n 13"]:
    """Return 13 coefficients of each frame of int16 sound: n = 1 + ⌈(s - 400) / 160⌉, at least
    1.
    """
    x = np.asarray(audio, np.float64)
    y = np.append(x[:1], x[1:] - _PRE_EMPHASIS * x[:-1])
    count = 1 + max(0, -(-(len(y) - _WINDOW) // _HOP))
    padded = np.pad(y, (0, (count - 1) * _HOP + _WINDOW - len(y)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    power = np.square(np.abs(np.fft.rfft(frames, _POINTS))) / _POINTS
    bands = np.log(_positive(power @ _filters().T))
    cepstra = bands @ _transform().T
    cepstra[:, 0] = np.log(_positive(power.sum(axis=1)))
    return cepstra


def _positive(x: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    return np.where(x == 0, _EPS, x)


@functools.cache
def _filters() -> Float[np.ndarray, "26 257"]:
    top = 2595 * np.log10(1 + SAMPLE_RATE_HZ / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, top, _BANDS + 2) / 2595) - 1)
    corners = np.floor((_POINTS + 1) * hertz / SAMPLE_RATE_HZ)
    bins = np.arange(_POINTS // 2 + 1)
    low, middle, high = (corners[shift : shift + _BANDS, None] for shift in range(3))
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    inside = (bins >= low) & (bins < high)
    return np.where(inside, np.where(bins < middle, rising, falling), 0.0)


@functools.cache
def _transform() -> Float[np.ndarray, "13 26"]:
    """Return the cosine transform with the lifter in it."""
    m, j = np.arange(COEFFICIENTS)[:, None], np.arange(_BANDS)
    cosines = np.cos(np.pi * m * (2 * j + 1) / (2 * _BANDS)) * np.sqrt(2 / _BANDS)
    cosines[0] /= np.sqrt(2)
    return (1 + _LIFTER / 2 * np.sin(np.pi * m / _LIFTER)) * cosines
