"""The losses of KSDiff (Eq. 4-7), each a masked mean: padding contributes nothing.

L_rec = mean |x̂ − x|²,    L_vel = mean |Δx̂ − Δx|²                                       (Eq. 5)
L_mr  = Σ_r mean | |STFT_r(x̂)| − |STFT_r(x)| |   over time, per dimension                (Eq. 6)
L_BCE = −mean (w₁ k log p + w₀ (1 − k) log(1 − p))                                        (Eq. 4)
L_lip = mean |asinh(ĝ / g₀) − asinh(g / g₀)|²                                             (ours, R:
0 by default)

A micro-batch of a larger batch gives its share of the mean over all of it where `whole` tells the
validity of every clip (n, t) of that batch: the shares of all micro-batches add up to the loss of
the whole, however ragged the clips.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.fourier import rfft
from ksdiff_jax.typing import Array, Bool, Float

# Keeps the gradient of a magnitude finite where the spectrum is exactly zero.
_MAGNITUDE_FLOOR = 1e-12


def masked_mean(
    values: Float[Array, "b t *n"],
    mask: Bool[Array, "b t"],
    whole: Bool[Array, "n t"] | None = None,
) -> Float[Array, ""]:
    """Mean over the valid (batch, time) positions and all trailing axes, in float32; 0 where
    nothing is valid.
    """
    weights = mask.reshape(mask.shape + (1,) * (values.ndim - 2))
    trailing = np.prod(values.shape[2:], dtype=np.int64)
    valid = (mask if whole is None else whole).sum()
    return jnp.sum(jnp.where(weights, values.astype(jnp.float32), 0.0)) / jnp.maximum(
        valid * trailing, 1
    )


def reconstruction_loss(
    prediction: Float[Array, "b t c"],
    target: Float[Array, "b t c"],
    mask: Bool[Array, "b t"],
    *,
    whole: Bool[Array, "n t"] | None = None,
) -> Float[Array, ""]:
    """Mean squared error of the clean signal (L_rec of Eq. 5)."""
    return masked_mean((prediction - target) ** 2, mask, whole)


def velocity_loss(
    prediction: Float[Array, "b t c"],
    target: Float[Array, "b t c"],
    mask: Bool[Array, "b t"],
    *,
    whole: Bool[Array, "n t"] | None = None,
) -> Float[Array, ""]:
    """Mean squared error of the first difference in time (L_vel of Eq. 5)."""
    pairs = None if whole is None else whole[:, 1:] & whole[:, :-1]
    return masked_mean(
        jnp.diff(prediction - target, axis=1) ** 2, mask[:, 1:] & mask[:, :-1], pairs
    )


def stft_magnitude(signal: Float[Array, "b t c"], *, window: int) -> Float[Array, "b n k c"]:
    """Magnitude of the short-time Fourier transform along time: Hann window, hop window / 4, no
    padding.
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
    whole: Bool[Array, "n t"] | None = None,
) -> Float[Array, ""]:
    """Multi-resolution spectral loss (Eq. 6); STFT frames that touch padding are left out, as are
    windows too long.
    """
    total = jnp.zeros((), prediction.dtype)
    for window in windows:
        if window > prediction.shape[1]:
            continue
        difference = stft_magnitude(prediction, window=window) - stft_magnitude(
            target, window=window
        )
        last = np.arange(window - 1, prediction.shape[1], window // 4)
        total = total + masked_mean(
            jnp.abs(difference), mask[:, last], None if whole is None else whole[:, last]
        )
    return total


def gap_loss(
    prediction: Float[Array, "b t"],
    target: Float[Array, "b t"],
    mask: Bool[Array, "b t"],
    *,
    closed: float,
    whole: Bool[Array, "n t"] | None = None,
) -> Float[Array, ""]:
    """Mean squared error of asinh(gap / closed): the distance of the lips as it is seen (R).

    Linear below `closed`, where a millimetre tells an /m/ from a vowel; logarithmic above, where it
    tells nothing.
    """
    return masked_mean(
        (jnp.arcsinh(prediction / closed) - jnp.arcsinh(target / closed)) ** 2, mask, whole
    )


def weighted_bce(
    logits: Float[Array, "b t"],
    targets: Bool[Array, "b t"],
    mask: Bool[Array, "b t"],
    *,
    positive_weight: float,
    negative_weight: float,
    whole: Bool[Array, "n t"] | None = None,
) -> Float[Array, ""]:
    """Weighted binary cross-entropy of keyframe logits (Eq. 4), mean over valid frames."""
    logits = logits.astype(jnp.float32)
    positive = -positive_weight * jax.nn.log_sigmoid(logits)
    negative = -negative_weight * jax.nn.log_sigmoid(-logits)
    return masked_mean(jnp.where(targets, positive, negative), mask, whole)
