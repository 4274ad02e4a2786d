"""The losses of KSDiff (Eq. 4-7), each (b,): a mean over the valid frames of each clip.

    L_rec = mean |x̂ − x|²,    L_vel = mean |Δx̂ − Δx|²                             (Eq. 5)
    L_mr  = Σ_r mean | |STFT_r(x̂)| − |STFT_r(x)| |   over time, per dimension      (Eq. 6)
    L_BCE = −mean (w₁ k log p + w₀ (1 − k) log(1 − p))                              (Eq. 4)
    L_lip = mean |asinh(ĝ / g₀) − asinh(g / g₀)|²                (ours, R: weight 0 by default)

Padding has no effect, and no clip changes the loss of another. A clip without a valid frame has a
loss of 0.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.fourier import rfft
from ksdiff_jax.models.clip_mean import clip_mean
from ksdiff_jax.typing import Array, Bool, Float

# Keeps the gradient of a magnitude finite if the spectrum is exactly zero.
_MAGNITUDE_FLOOR = 1e-12


def reconstruction_loss(
    prediction: Float[Array, "b t c"], target: Float[Array, "b t c"], mask: Bool[Array, "b t"]
) -> Float[Array, "b"]:
    """Return the mean squared error of the clean signal (L_rec of Eq. 5)."""
    return clip_mean((prediction - target) ** 2, mask)


def velocity_loss(
    prediction: Float[Array, "b t c"], target: Float[Array, "b t c"], mask: Bool[Array, "b t"]
) -> Float[Array, "b"]:
    """Return the mean squared error of the first difference in time (L_vel of Eq. 5); a difference
    counts if both of its frames are valid.
    """
    return clip_mean(jnp.diff(prediction - target, axis=1) ** 2, mask[:, 1:] & mask[:, :-1])


def stft_magnitude(signal: Float[Array, "b t c"], *, window: int) -> Float[Array, "b n k c"]:
    """Return the magnitude of the short-time Fourier transform along time, with a Hann window, a
    hop of window / 4 and no padding.

    `window` is in motion frames. n is the number of STFT frames, k = window / 2 + 1 the number of
    frequencies.
    """
    starts = np.arange(0, signal.shape[1] - window + 1, window // 4)
    frames = signal[:, starts[:, None] + np.arange(window)]  # b n w c
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    windowed = frames * hann.astype(np.float32)[:, None]
    spectrum = rfft(windowed.swapaxes(2, 3)).swapaxes(2, 3)
    return jnp.sqrt(spectrum.real**2 + spectrum.imag**2 + _MAGNITUDE_FLOOR)


def spectral_loss(
    prediction: Float[Array, "b t c"],
    target: Float[Array, "b t c"],
    mask: Bool[Array, "b t"],
    *,
    windows: tuple[int, ...],
) -> Float[Array, "b"]:
    """Return the multi-resolution spectral loss (Eq. 6), summed over `windows` (motion frames).

    STFT frames that touch padding are excluded, as are windows longer than the signal.
    """
    frames = prediction.shape[1]
    total = jnp.zeros(len(prediction), jnp.float32)
    for window in (window for window in windows if window <= frames):
        ours, true = (stft_magnitude(signal, window=window) for signal in (prediction, target))
        last = np.arange(window - 1, frames, window // 4)
        total = total + clip_mean(jnp.abs(ours - true), mask[:, last])
    return total


def gap_loss(
    prediction: Float[Array, "b t"],
    target: Float[Array, "b t"],
    mask: Bool[Array, "b t"],
    *,
    closed: float,
) -> Float[Array, "b"]:
    """Return the mean squared error of asinh(gap / closed), the perceived distance of the lips (R).

    `closed` is a distance in the unit of the gaps. The measure is linear below it, where a
    millimetre distinguishes an /m/ from a vowel. It is logarithmic above it, where a millimetre
    distinguishes nothing.
    """
    return clip_mean((jnp.arcsinh(prediction / closed) - jnp.arcsinh(target / closed)) ** 2, mask)


def weighted_bce(
    logits: Float[Array, "b t"],
    targets: Bool[Array, "b t"],
    mask: Bool[Array, "b t"],
    *,
    positive_weight: float,
    negative_weight: float,
) -> Float[Array, "b"]:
    """Return the weighted binary cross-entropy of keyframe logits (Eq. 4); the weights are w₁ and
    w₀.
    """
    logits = logits.astype(jnp.float32)
    positive = -positive_weight * jax.nn.log_sigmoid(logits)
    negative = -negative_weight * jax.nn.log_sigmoid(-logits)
    return clip_mean(jnp.where(targets, positive, negative), mask)
