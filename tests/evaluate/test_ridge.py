import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.ridge import fit_ridge, moments, with_neighbours


def rows_and_targets(count=60, width=4, *, seed=0):
    """Rows of unequal scale and mean, with targets that depend on them and on noise."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, width)) * [1.0, 100.0, 0.01, 3.0] + [5.0, -3.0, 0.0, 100.0]
    return rows, rows @ [0.3, 0.01, 20.0, -0.2] + random.normal(size=count)


def test_the_ridge_solves_the_normal_equations_of_standardised_columns():
    rows, targets = rows_and_targets()
    found = fit_ridge(moments(rows, targets), penalty=7.0)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    z = (rows - mean) / deviation
    # as least squares on rows that are extended by the penalty
    extended = np.concatenate([z, np.sqrt(7.0) * np.eye(4)])
    centred = np.concatenate([targets - targets.mean(), np.zeros(4)])
    of_z = np.linalg.lstsq(extended, centred, rcond=None)[0]
    np.testing.assert_allclose(found.weights, of_z / deviation, rtol=1e-8)
    np.testing.assert_allclose(found.predict(rows), z @ of_z + targets.mean(), rtol=1e-8)


def test_the_scale_and_the_mean_of_a_feature_do_not_matter():
    rows, targets = rows_and_targets()
    plain = fit_ridge(moments(rows, targets), penalty=5.0).predict(rows)
    other = rows * [1e3, 1.0, 1.0, 0.1] + [0.0, 50.0, 0.0, -7.0]
    np.testing.assert_allclose(
        fit_ridge(moments(other, targets), penalty=5.0).predict(other), plain, rtol=1e-6
    )


def test_moments_of_a_set_minus_those_of_a_part_are_those_of_the_rest():
    rows, targets = rows_and_targets()
    part = moments(rows[:20], targets[:20])
    left = moments(rows, targets).minus(part)
    direct = moments(rows[20:], targets[20:])
    for a, b in zip(left, direct, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)
    for a, b in zip(part.plus(direct), moments(rows, targets), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_a_constant_column_gets_no_weight():
    rows, targets = rows_and_targets()
    with_constant = np.concatenate([rows, np.full((len(rows), 1), -11.5)], axis=1)
    found = fit_ridge(moments(with_constant, targets), penalty=3.0)
    assert found.weights[-1] == 0.0
    np.testing.assert_allclose(
        found.weights[:-1], fit_ridge(moments(rows, targets), penalty=3.0).weights, rtol=1e-8
    )


@pytest.mark.parametrize(("count", "penalty"), [(1, 1.0), (10, 0.0), (10, float("nan"))])
def test_too_few_rows_or_no_penalty_are_refused(count, penalty):
    rows, targets = rows_and_targets(count)
    with pytest.raises(InputError, match="ridge: got"):
        fit_ridge(moments(rows, targets), penalty=penalty)


def test_neighbours_are_before_and_after_and_the_ends_repeat():
    rows = np.arange(4.0)[:, None]
    np.testing.assert_array_equal(
        with_neighbours(rows, reach=1), [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]]
    )


def test_several_targets_are_fitted_as_each_alone():
    rows, targets = rows_and_targets()
    both = np.stack([targets, targets[::-1]], axis=1)
    found = fit_ridge(moments(rows, both), penalty=4.0)
    for column in range(2):
        alone = fit_ridge(moments(rows, both[:, column]), penalty=4.0)
        np.testing.assert_allclose(found.predict(rows)[:, column], alone.predict(rows))
