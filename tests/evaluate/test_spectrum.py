import numpy as np
import pytest

from ksdiff_jax.evaluate.spectrum import power_band, spectrum_distance


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


def test_two_sines_are_as_far_apart_as_their_frequencies():
    t = np.arange(500) / 25
    slow, fast = (np.sin(2 * np.pi * hz * t)[:, None] for hz in (1.0, 3.5))
    assert spectrum_distance(slow, fast, fps=25.0) == pytest.approx(2.5, abs=0.02)
    assert spectrum_distance(slow, 9 * slow + 2, fps=25.0) == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(spectrum_distance(slow, np.ones((500, 1)), fps=25.0))


def test_the_distance_is_the_area_between_the_cumulative_spectra():
    one, other = np.random.default_rng(0).normal(size=(2, 60, 3))

    def cumulative(series):
        moving = (series - series.mean(axis=0)) * np.hanning(60)[:, None]
        power = (np.abs(np.fft.rfft(moving, axis=0)) ** 2).sum(axis=1)[1:]
        shares = np.concatenate([[0.0], power.cumsum()]) / power.sum()
        at_hz = (np.arange(31) + 0.5) * 25 / 60
        return np.interp(grid, at_hz, shares)

    grid = np.linspace(0, 13, 200_001)
    area = np.mean(np.abs(cumulative(one) - cumulative(other))) * 13
    assert spectrum_distance(one, other, fps=25.0) == pytest.approx(area, rel=1e-4)
