import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from ksdiff_jax.motion.resample import resampled, resampled_rotations

WANTED_S = np.arange(50) / 25


@pytest.mark.parametrize("rate_hz", [10, 25, 29.97, 30, 50, 60])
def test_a_straight_line_stays_one_whatever_the_rate(rate_hz):
    times_s = np.arange(0, 2.2, 1 / rate_hz)
    values = np.stack([3 * times_s - 1, -times_s], axis=1)
    inside = WANTED_S[2:-2]  # averages near the ends see the level part beyond them
    np.testing.assert_allclose(
        resampled(values, times_s, inside), np.stack([3 * inside - 1, -inside], 1), atol=1e-9
    )


def test_instants_need_not_be_regular():
    times_s = np.sort(np.random.default_rng(0).uniform(0, 2, 40))
    values = np.sin(times_s)[:, None]
    np.testing.assert_allclose(
        resampled(values, times_s, WANTED_S)[:, 0],
        np.interp(WANTED_S, times_s, values[:, 0]),
        atol=1e-12,
    )


def test_what_alternates_at_50_hz_does_not_become_slow_motion():
    times_s = np.arange(100) / 50
    values = np.where(np.arange(100) % 2, 1.0, -1.0)[:, None]
    assert np.abs(resampled(values, times_s, WANTED_S)[2:-2]).max() < 1e-9
    assert np.abs(values[::2]).max() == 1  # every second frame alone would be a constant


def test_the_mean_over_a_period_is_that_of_a_fine_grid():
    rng = np.random.default_rng(1)
    times_s = np.cumsum(rng.uniform(0.008, 0.02, 150))
    values = rng.normal(size=(150, 2))
    wanted_s = times_s[10] + np.arange(20) / 25
    fine = np.linspace(-0.02, 0.02, 4001)
    expected = [
        [np.mean(np.interp(t + fine, times_s, column)) for column in values.T] for t in wanted_s
    ]
    np.testing.assert_allclose(resampled(values, times_s, wanted_s), expected, atol=1e-3)


def test_beyond_both_ends_the_ends_are_held():
    times_s, values = np.array([1.0, 1.1, 1.2]), np.array([[1.0], [2.0], [4.0]])
    out = resampled(values, times_s, np.array([0.8, 0.9, 1.0, 1.1, 1.2, 1.3]))
    np.testing.assert_allclose(out[:, 0], [1, 1, 1, 2, 4, 4])
    dense_s = np.arange(30) / 100
    ramp = resampled(dense_s[:, None], dense_s, np.arange(-5, 30) / 25)
    assert ramp[0, 0] == 0
    assert ramp[-1, 0] == pytest.approx(0.29)


def test_one_value_is_everywhere():
    np.testing.assert_array_equal(
        resampled(np.ones((1, 3)), np.array([5.0]), WANTED_S), np.ones((50, 3))
    )


def test_rotations_take_the_shorter_arc_as_slerp_does():
    rng = np.random.default_rng(2)
    times_s = np.arange(61) / 30
    path = np.cumsum(rng.normal(scale=0.05, size=(61, 3)), axis=0)
    path[:, 2] += np.pi - 0.2  # crosses half a turn
    rotations = Rotation.from_rotvec(path)
    ours = Rotation.from_rotvec(resampled_rotations(rotations.as_rotvec(), times_s, WANTED_S))
    apart = (ours * Slerp(times_s, rotations)(WANTED_S).inv()).magnitude()
    assert np.degrees(apart).max() < 0.01
