"""Resampling against NumPy's line, SciPy's slerp, and what is known of averages."""

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from ksdiff_jax.motion.resample import resampled, resampled_rotations

WANTED_S = np.arange(20) / 25


def smooth_rotations(times_s: np.ndarray) -> np.ndarray:
    return np.stack([0.4 * np.sin(3 * times_s), 0.6 * np.cos(2 * times_s), 0.2 * times_s], axis=1)


def test_values_of_a_slower_or_equal_clock_move_in_straight_lines():
    times_s = np.cumsum(np.random.default_rng(0).uniform(0.03, 0.045, 30))
    values = np.random.default_rng(1).normal(size=(30, 3))
    want = np.stack([np.interp(WANTED_S, times_s, column) for column in values.T], axis=1)
    np.testing.assert_allclose(resampled(values, times_s, WANTED_S), want, atol=1e-12)


def test_a_ripple_at_half_of_a_double_rate_does_not_fold_into_the_result():
    times_s = np.arange(100) / 50
    ripple = np.where(np.arange(100) % 2, 1.0, -1.0)[:, None]
    assert np.abs(resampled(ripple, times_s, np.arange(1, 40) / 25)).max() < 1e-9


def test_averages_of_a_straight_line_are_the_line():
    times_s = np.arange(120) / 60
    got = resampled((3 * times_s + 1)[:, None], times_s, np.arange(2, 40) / 25)[:, 0]
    np.testing.assert_allclose(got, 3 * np.arange(2, 40) / 25 + 1, atol=1e-9)


def test_rotations_follow_the_shorter_arc_as_slerp_does():
    times_s = np.arange(40) / 30
    rotations = smooth_rotations(times_s)
    want = Slerp(times_s, Rotation.from_rotvec(rotations))(WANTED_S)
    got = Rotation.from_rotvec(resampled_rotations(rotations, times_s, WANTED_S))
    assert (got.inv() * want).magnitude().max() < 1e-5


def test_a_head_that_passes_half_a_turn_does_not_spin_the_other_way():
    times_s = np.arange(40) / 30
    turns = np.linspace(np.pi - 0.3, np.pi + 0.3, 40)
    rotations = Rotation.from_rotvec(turns[:, None] * np.array([0.0, 1.0, 0.0])).as_rotvec()
    got = Rotation.from_rotvec(resampled_rotations(rotations, times_s, WANTED_S))
    want = Rotation.from_rotvec(np.interp(WANTED_S, times_s, turns)[:, None] * np.array([0.0, 1.0, 0.0]))
    assert (got.inv() * want).magnitude().max() < 1e-5
