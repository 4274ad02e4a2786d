"""PSNR, SSIM and the Fréchet distance: values of scikit-image and of SciPy, and known cases."""

import numpy as np
import pytest
from scipy import linalg

from ksdiff_jax.pictures.metrics import frechet_distance, psnr, ssim

ROW, COLUMN = np.mgrid[:24, :20]
TRUE = np.stack([8 * COLUMN + 4 * ROW, 250 - 6 * COLUMN, (COLUMN * ROW) % 256], -1).astype(np.uint8)
STRIPES = ((3 * COLUMN + 5 * ROW) % 17 - 8)[..., None]
SSIM = 0.9412218395867403
OTHER = np.clip(TRUE.astype(int) + STRIPES, 0, 255).astype(np.uint8)


def test_psnr_and_ssim_are_those_of_scikit_image():
    """Of version 0.26; SSIM with gaussian_weights, sigma 1.5, use_sample_covariance False."""
    assert psnr(OTHER, TRUE) == pytest.approx(34.42898932154463, abs=1e-9)
    assert ssim(OTHER, TRUE) == pytest.approx(SSIM, abs=1e-9)
    both = ssim(np.stack([OTHER, TRUE]), np.stack([TRUE, TRUE]))
    assert both == pytest.approx([SSIM, 1.0], abs=1e-9)


def test_psnr_of_known_errors_and_of_a_region():
    black = np.zeros((8, 8, 3), np.uint8)
    assert psnr(black + 255, black) == 0
    assert psnr(black + 1, black) == pytest.approx(20 * np.log10(255))
    assert psnr(black, black) == np.inf
    half, where = black.copy(), np.zeros((8, 8), bool)
    half[:4], where[:4] = 51, True
    assert psnr(half, black, where=where) == pytest.approx(20 * np.log10(5))
    assert psnr(half, black, where=~where) == np.inf
    with pytest.raises(ValueError, match="sides of 11 or more"):
        ssim(black, black)


def test_the_frechet_distance_is_that_of_the_closed_form():
    draw = np.random.default_rng(0)
    some = draw.standard_normal((60, 5)) @ draw.standard_normal((5, 5))
    others = 1 + draw.standard_normal((40, 5)) @ draw.standard_normal((5, 5))
    covariances = [np.cov(values, rowvar=False) for values in (some, others)]
    shared = linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = ((some.mean(0) - others.mean(0)) ** 2).sum()
    expected += np.trace(covariances[0] + covariances[1] - 2 * shared)
    assert frechet_distance(some, others) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(some, some) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(some, some + 2) == pytest.approx(4 * 5, rel=1e-6)
    with pytest.raises(ValueError, match="need two or more"):
        frechet_distance(some[:1], others)
