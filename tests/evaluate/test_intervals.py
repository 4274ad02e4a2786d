import math

import numpy as np
import pytest
from scipy import stats

from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.intervals import difference_interval, t_interval


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_t_interval_is_that_of_scipys_t_test(confidence):
    values = np.random.default_rng(0).normal(2.0, 0.3, 5)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(confidence)
    found = t_interval(values, confidence=confidence)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.mean == pytest.approx(values.mean()) and found.count == 5


def test_three_seeds_as_computed_by_hand():
    # t(2) = 4.3027, s = 1, so the reach is 4.3027 / √3.
    assert t_interval([1.0, 2.0, 3.0]).high == pytest.approx(
        2.0 + 4.302653 / math.sqrt(3), abs=1e-5
    )


def test_about_95_of_100_intervals_hold_the_true_mean():
    draws = np.random.default_rng(1).normal(size=(2000, 3))
    held = [interval.low <= 0 <= interval.high for interval in map(t_interval, draws)]
    assert 0.93 < np.mean(held) < 0.97


def test_one_value_has_no_bounds_and_an_undefined_one_makes_all_undefined():
    single = t_interval([4.0])
    assert (single.mean, single.low, single.high, single.sign) == (4.0, -math.inf, math.inf, 0)
    broken = t_interval([1.0, math.nan, 2.0])
    assert math.isnan(broken.low) and broken.sign == 0
    assert t_interval([0.5, 0.5, 0.5]).sign == 0  # equal by the chance of counting
    with pytest.raises(InputError, match="no values"):
        t_interval([])


def test_a_difference_is_taken_seed_by_seed():
    reference = [1.0, 5.0, 9.0]
    found = difference_interval([1.1, 5.12, 9.11], reference)
    expected = stats.ttest_rel([1.1, 5.12, 9.11], reference).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.sign == 1  # although both scatter by 4
    assert difference_interval([-2.0, -2.1, -1.9], [0.0, 0.0, 0.0]).sign == -1
    with pytest.raises(InputError, match="got 2 and 3 values"):
        difference_interval([1.0, 2.0], reference)
