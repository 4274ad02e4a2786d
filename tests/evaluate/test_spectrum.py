import numpy as np
import pytest

from ksdiff_jax.evaluate.spectrum import power_band


def test_a_sine_has_all_its_power_at_its_frequency():
    wave = np.sin(2 * np.pi * 2.0 * np.arange(500) / 25)[:, None] + 3.0
    assert power_band(wave, fps=25.0) == pytest.approx((2.0, 2.0), abs=0.06)


def test_two_sines_in_two_dimensions_share_the_power():
    t = np.arange(1000) / 25
    waves = np.stack([2 * np.sin(2 * np.pi * 0.5 * t), np.sin(2 * np.pi * 4.0 * t)], axis=1)
    half, most = power_band(waves, fps=25.0)  # 80 % and 20 % of the power
    assert half == pytest.approx(0.5, abs=0.06)
    assert most == pytest.approx(4.0, abs=0.06)


def test_a_still_series_has_no_spectrum():
    assert np.isnan(power_band(np.ones((50, 3)), fps=25.0)).all()
