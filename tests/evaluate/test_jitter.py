import numpy as np
import pytest

from ksdiff_jax.evaluate.jitter import head_jitter, jitter, log_ratio


def test_a_cube_of_time_has_the_jerk_six():
    time_s = np.arange(20) / 25
    points = np.stack([np.stack([time_s**3, 2 * time_s**2, time_s], axis=1)] * 4, axis=1)
    assert jitter(points, fps=25.0) == pytest.approx(6.0)


def test_a_point_that_alternates_has_eight_times_its_deviation_per_frame():
    # x = ±1: |−1 − 3 − 3 − 1| = 8, in units of fps³
    points = np.array([1.0, -1.0] * 4)[:, None, None]
    assert jitter(points, fps=2.0) == pytest.approx(8.0 * 2.0**3)


def test_the_head_is_measured_in_degrees():
    turn = np.radians((np.arange(10) / 25.0) ** 3)[:, None] * [0.0, 1.0, 0.0]
    assert head_jitter(turn, fps=25.0) == pytest.approx(6.0)
    assert np.isnan(head_jitter(turn[:3], fps=25.0))
    assert head_jitter(np.zeros((5, 3)), fps=25.0) == 0.0


def test_half_and_twice_the_truth_are_as_far_from_it():
    assert log_ratio(2.0, 1.0) == log_ratio(0.5, 1.0) == 1.0
    assert log_ratio(3.0, 3.0) == 0.0
    assert log_ratio(0.0, 1.0) == np.inf
    assert np.isnan(log_ratio(0.0, 0.0)) and np.isnan(log_ratio(np.nan, 1.0))
