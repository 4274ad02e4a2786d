"""How fast a motion is: the frequencies below which half and 90 % of its power lie, and how far
the spectra of two motions are apart.

The power of a series is |rfft|² of its deviation from its mean under a Hann window, summed over its
dimensions. Between two bins the share of the power is interpolated, so that a short clip does not
round to its first bins.

With F the cumulative share of the power below a frequency, the distance of two spectra is

    W(x, y) = ∫ |F_x(f) − F_y(f)| df        Hz

(Wasserstein's distance, our choice): by how many Hertz power has to be moved, on average, to turn
one spectrum into the other. It depends neither on amplitude nor on when something moves.
"""

from typing import NamedTuple

import numpy as np

from ksdiff_jax.evaluate.valid_frames import Mask, valid
from ksdiff_jax.typing import Float

SHARES = (0.5, 0.9)


class Band(NamedTuple):
    """Frequencies in Hz; NaN for a series that does not move."""

    half_hz: float
    most_hz: float  # 90 % of the power is below


def power_band(series: Float[np.ndarray, "t d"], *, fps: float) -> Band:
    """Return the frequencies below which half and 90 % of the power of a motion lie."""
    found = _cumulative_power(series, fps=fps)
    if found is None:
        return Band(float("nan"), float("nan"))
    at_hz, shares = found
    return Band(*(float(np.interp(share, shares, at_hz)) for share in SHARES))


def spectrum_distance(
    one: Float[np.ndarray, "t d"],
    other: Float[np.ndarray, "u d"],
    *,
    fps: float,
    mask: Mask = None,
) -> float:
    """Return W of two motions in Hz; NaN if one of them does not move. A mask is for motions of one
    length.
    """
    found = [_cumulative_power(each, fps=fps) for each in valid(mask, one, other)]
    if any(each is None for each in found):
        return float("nan")
    places = np.unique(np.concatenate([at_hz for at_hz, _ in found]))
    ends = [np.interp(places, at_hz, shares, left=0.0, right=1.0) for at_hz, shares in found]
    gap, width = ends[0] - ends[1], np.diff(places)
    first, last = gap[:-1], gap[1:]
    # The gap is linear between two places; if it changes its sign there, it is two triangles.
    crossed = first * last < 0
    straight = np.abs(first + last) / 2
    size = np.where(crossed, np.abs(first) + np.abs(last), 1.0)
    return float(np.sum(width * np.where(crossed, (first**2 + last**2) / (2 * size), straight)))


def _cumulative_power(
    series: Float[np.ndarray, "t d"], *, fps: float
) -> tuple[Float[np.ndarray, "k"], Float[np.ndarray, "k"]] | None:
    """Return frequencies in Hz and the share of the power below each, linear between them; None for
    a series that is short or does not move.
    """
    if len(series) < 4:
        return None
    moving = series - series.mean(axis=0)
    spectrum = np.fft.rfft(moving * np.hanning(len(series))[:, None], axis=0)
    power = np.sum(np.abs(spectrum) ** 2, axis=1)[1:]
    total = power.sum()
    if not total > 1e-18:
        return None
    edges = np.concatenate([[0.0], np.cumsum(power)]) / total
    # bin k holds the power around k fps / t, from half a bin below to half a bin above
    return (np.arange(len(edges)) + 0.5) * fps / len(series), edges
