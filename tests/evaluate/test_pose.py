import numpy as np
import pytest
from scipy.spatial.transform import Rotation

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


def test_a_turn_to_the_side_is_yaw_a_nod_is_pitch_and_a_tilt_is_roll():
    degrees = np.linspace(-170, 190, 40)  # across 180°
    for axis, place in ((1, 0), (0, 1), (2, 2)):
        if axis == 1:
            degrees = np.linspace(-60, 60, 40)  # the middle angle of three is within ±90°
        rotation = np.radians(degrees)[:, None] * np.eye(3)[axis]
        angles = pose.hopenet_angles(rotation)
        expected = np.zeros((40, 3))
        expected[:, place] = degrees
        assert angles - angles[:1] == pytest.approx(expected - expected[:1], abs=1e-6)
        assert pose.diversity_over_time(angles) == pytest.approx(np.std(degrees) / 3)
        degrees = np.linspace(-170, 190, 40)


def test_a_head_is_pitched_then_turned_then_rolled_in_its_own_axes():
    def about(axis, degrees):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        i, j = (axis + 1) % 3, (axis + 2) % 3
        matrix = np.eye(3)
        matrix[i, i] = matrix[j, j] = c
        matrix[j, i], matrix[i, j] = s, -s
        return matrix

    turned = Rotation.from_matrix(about(0, 10.0) @ about(1, -25.0) @ about(2, 40.0))
    assert pose.hopenet_angles(turned.as_rotvec()[None])[0] == pytest.approx([-25.0, 10.0, 40.0])
