"""How fast a motion is: the frequencies below which half and 90 % of its power lie.

The power of a series is |rfft|² of its deviation from its mean under a Hann window, summed over its
dimensions. Between two bins the share of the power is interpolated, so that a short clip does not
round to its first bins.
"""

from typing import NamedTuple

import numpy as np

from ksdiff_jax.typing import Float

SHARES = (0.5, 0.9)


class Band(NamedTuple):
    """Frequencies in Hz; NaN for a series that does not move."""

    half_hz: float
    most_hz: float  # 90 % of the power is below


def power_band(series: Float[np.ndarray, "t d"], *, fps: float) -> Band:
    """Return the frequencies below which half and 90 % of the power of a motion lie."""
    if len(series) < 4:
        return Band(float("nan"), float("nan"))
    moving = series - series.mean(axis=0)
    spectrum = np.fft.rfft(moving * np.hanning(len(series))[:, None], axis=0)
    power = np.sum(np.abs(spectrum) ** 2, axis=1)[1:]
    total = power.sum()
    if not total > 1e-18:
        return Band(float("nan"), float("nan"))
    edges = np.concatenate([[0.0], np.cumsum(power)]) / total
    # bin k holds the power around k fps / t, from half a bin below to half a bin above
    at_hz = (np.arange(len(edges)) + 0.5) * fps / len(series)
    return Band(*(float(np.interp(share, edges, at_hz)) for share in SHARES))
