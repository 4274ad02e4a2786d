"""Distances of pictures and of sets of pictures: PSNR, SSIM, the Fréchet distance.

    PSNR = 10 log₁₀ 255² / mean (x − y)²
    SSIM = mean of (2 μ_x μ_y + C₁)(2 σ_xy + C₂) / ((μ_x² + μ_y² + C₁)(σ_x² + σ_y² + C₂))
    FD   = |μ_a − μ_b|² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½)

SSIM (Wang et al. 2004) has Gaussian windows of σ = 1.5 and 11 × 11 pixels, C₁ = (0.01 · 255)² and
C₂ = (0.03 · 255)², and is the mean over channels and over pixels whose window is inside. FD of the
features of Inception is FID (Heusel et al. 2017). Pictures are bytes, or numbers from 0 to 255.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

from ksdiff_jax.typing import Bool, Float, Shaped

_PEAK = 255.0
_SIGMA, _TRUNCATE, _MARGIN = 1.5, 3.5, 5
_C1, _C2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2

Pictures = Shaped[np.ndarray, "*n y x c"]


def psnr(
    pictures: Pictures, true: Pictures, *, where: Bool[np.ndarray, "*n y x"] | None = None
) -> Float[np.ndarray, "*n"]:
    """Return the PSNR of every picture in dB, over the pixels of `where` only if it is given;
    infinite for equal pictures.
    """
    squares = np.mean((np.float64(pictures) - np.float64(true)) ** 2, axis=-1)
    weights = np.ones(squares.shape) if where is None else np.float64(where)
    error = np.sum(squares * weights, axis=(-2, -1)) / np.sum(weights, axis=(-2, -1))
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(_PEAK**2 / error))


def ssim(pictures: Pictures, true: Pictures) -> Float[np.ndarray, "*n"]:
    """Return the SSIM of every picture; raise `ValueError` for sides below 11 pixels."""
    if min(pictures.shape[-3:-1]) <= 2 * _MARGIN:
        raise ValueError(
            f"pictures {pictures.shape}: SSIM needs sides of {2 * _MARGIN + 1} or more"
        )
    one, other = np.float64(pictures), np.float64(true)
    sigma = (*(0,) * (one.ndim - 3), _SIGMA, _SIGMA, 0)

    def smooth(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, sigma, truncate=_TRUNCATE)

    mean, mean_other = smooth(one), smooth(other)
    variance = smooth(one**2) - mean**2
    variance_other = smooth(other**2) - mean_other**2
    covariance = smooth(one * other) - mean * mean_other
    above = (2 * mean * mean_other + _C1) * (2 * covariance + _C2)
    below = (mean**2 + mean_other**2 + _C1) * (variance + variance_other + _C2)
    inside = slice(_MARGIN, -_MARGIN)
    return np.asarray(np.mean((above / below)[..., inside, inside, :], axis=(-3, -2, -1)))


def frechet_distance(features: Float[np.ndarray, "n f"], others: Float[np.ndarray, "m f"]) -> float:
    """Return FD of two sets of features, with covariances of n − 1 and m − 1.

    Raises `ValueError` for a set of fewer than two.
    """
    if min(len(features), len(others)) < 2:
        raise ValueError(f"{len(features)} and {len(others)} features: need two or more of each")
    (mean, covariance), (mean_other, covariance_other) = map(_moments, (features, others))
    # tr (AB)^½ = tr (A^½ B A^½)^½, which is symmetric
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariance_other @ root), 0)).sum()
    traces = np.trace(covariance) + np.trace(covariance_other)
    return max(0.0, float(((mean - mean_other) ** 2).sum() + traces - 2 * shared))


def _moments(features: Float[np.ndarray, "n f"]) -> tuple[np.ndarray, np.ndarray]:
    values = np.float64(features)
    return values.mean(axis=0), np.cov(values, rowvar=False)
