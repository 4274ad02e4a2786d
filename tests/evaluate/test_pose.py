import numpy as np
import pytest

from ksdiff_jax.evaluate import pose


def test_diversity_over_time_is_the_mean_std_of_the_three_components():
    rotation = np.zeros((4, 3))
    rotation[:, 1] = [0.3, -0.3, 0.3, -0.3]
    assert pose.diversity_over_time(rotation) == pytest.approx(0.1)


def test_diversity_between_samples_ignores_motion_that_they_share():
    shared = np.random.default_rng(0).normal(size=(10, 3))
    assert pose.diversity_between_samples(np.stack([shared, shared])) == 0.0
    apart = np.stack([shared + 0.2, shared - 0.2])
    assert pose.diversity_between_samples(apart) == pytest.approx(0.2)


def test_head_difference_of_turns_about_one_axis_is_the_difference_of_angles():
    first, second = np.zeros((2, 6, 3))
    first[:, 1], second[:, 1] = np.radians(10), np.radians(-5)
    assert pose.head_difference_deg(first, second) == pytest.approx(15)


def test_lip_difference_is_in_millimetres():
    assert pose.lip_difference_mm(
        np.array([0.001, 0.003]), np.array([0.002, 0.003])
    ) == pytest.approx(0.5)


def test_angular_speed_of_a_steady_turn_is_its_rate():
    angle = 0.5 * np.arange(8) / 25  # 0.5 rad/s
    rotation = np.stack([np.zeros(8), angle, np.zeros(8)], axis=1)
    assert pose.angular_speed(rotation, fps=25.0) == pytest.approx(np.full(8, 0.5))
    assert pose.angular_speed(rotation[:1], fps=25.0) == pytest.approx([0.0])
