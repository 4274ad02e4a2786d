"""What a region's dimensions move."""

import numpy as np

from ksdiff_jax.export.region_picture import movement_metric, posed, region_movement
from ksdiff_jax.face import builtin_face


def test_a_regions_movement_is_the_root_of_the_squares_of_its_dimensions():
    moved = np.zeros((3, 2, 3))
    moved[0, 0], moved[1, 0], moved[2, 1] = [0, 0.003, 0], [0.004, 0, 0], [0, 0, 0.012]
    np.testing.assert_allclose(region_movement(moved, (0, 1)), [0.005, 0.0])
    np.testing.assert_allclose(region_movement(moved, (1, 2)), [0.004, 0.012])


def test_the_metric_measures_how_far_all_vertices_go_for_a_small_change():
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(4, 5, 3))  # of a face that is linear
    std = np.array([0.5, 1.0, 2.0, 0.0])
    moved = 4 * std[:, None, None] * directions  # from −2 σ to 2 σ
    step = rng.normal(size=4)
    expected = np.sum(np.tensordot(step[:3], directions[:3], 1) ** 2)  # the last never moves
    np.testing.assert_allclose(step @ movement_metric(moved, std) @ step, expected)


def test_the_last_three_numbers_of_the_vector_turn_the_jaw():
    expression = np.zeros((1, 53))
    expression[0, 50] = 0.2
    face = builtin_face()
    chin = face.height_pair[1]
    assert posed(face, expression)[0, chin, 1] < face.template[chin, 1] - 0.005
    np.testing.assert_allclose(posed(face, expression[:, :50])[0], face.template, atol=1e-6)
