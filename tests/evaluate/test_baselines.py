import numpy as np
import pytest

from ksdiff_jax.evaluate import baselines


def test_the_error_of_a_constant_shape_is_the_mean_over_frames_of_the_worst_vertex():
    truth = np.zeros((2, 2, 3), np.float32)
    truth[0, 0, 1], truth[1, 1, 1] = 3.0, 1.0
    assert baselines.constant_lip_error(np.zeros((2, 3), np.float32), truth) == pytest.approx(
        (9 + 1) / 2
    )


def test_one_vertex_is_best_kept_at_its_mean():
    truth = np.random.default_rng(0).normal(size=(200, 1, 3)).astype(np.float32)
    best = baselines.best_constant_lips(truth)
    assert best == pytest.approx(truth.mean(axis=0), abs=0.02)


def test_descent_beats_mean_and_median_and_reaches_the_minimum_of_a_convex_solver():
    from scipy.optimize import minimize

    random = np.random.default_rng(1)
    opening = random.gamma(1.0, 1.0, size=(60, 1, 1))  # skewed, as mouths are: mostly nearly closed
    truth = (opening * random.normal(size=(1, 2, 3)) + 0.3 * random.normal(size=(60, 2, 3))).astype(
        np.float32
    )
    best = baselines.constant_lip_error(baselines.best_constant_lips(truth), truth)
    assert best <= baselines.constant_lip_error(truth.mean(axis=0), truth)
    assert best <= baselines.constant_lip_error(np.median(truth, axis=0), truth)
    wide = truth.astype(np.float64)
    found = minimize(
        lambda flat: baselines.constant_lip_error(flat.reshape(2, 3), wide),
        wide.mean(axis=0).ravel(),
        method="Powell",
    )
    assert best <= found.fun * 1.02


def test_a_good_candidate_is_not_lost():
    truth = np.zeros((10, 2, 3), np.float32)
    assert baselines.constant_lip_error(baselines.best_constant_lips(truth), truth) == 0.0
