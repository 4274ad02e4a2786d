import math

import numpy as np
import pytest
from scipy import stats

from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.intervals import (
    bounded,
    clip_interval,
    crossed_interval,
    difference_interval,
    ratio_interval,
    share_interval,
    t_interval,
)


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


def test_a_ratio_over_clips_of_one_length_has_the_interval_of_the_mean_rate():
    blinks, seconds = [0.0, 2.0, 1.0, 3.0], [4.0] * 4
    rates = t_interval([count / 4 for count in blinks])
    assert ratio_interval(blinks, seconds) == pytest.approx(rates)


def test_about_95_of_100_intervals_of_a_ratio_hold_the_true_one():
    rng = np.random.default_rng(2)
    seconds = rng.uniform(3, 9, size=(1000, 40))
    found = [
        ratio_interval(rng.poisson(0.3 * lengths).astype(float), lengths) for lengths in seconds
    ]
    assert np.mean([interval.mean for interval in found]) == pytest.approx(0.3, rel=0.02)
    assert 0.92 < np.mean([i.low <= 0.3 <= i.high for i in found]) < 0.97


def test_bounds_are_figures_only_where_there_are_some():
    assert bounded("lmd", t_interval([2.0])) == {"lmd": 2.0}
    assert bounded("lmd", t_interval([1.0, 2.0, 3.0, 4.0])) == {"lmd": 2.5}  # of too few clips
    figures = bounded("lmd", t_interval([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert list(figures) == ["lmd", "lmd_low", "lmd_high"] and figures["lmd_low"] < 3.0
    share = t_interval([1.0, 1.0, 1.0, 1.0, 0.5])
    assert share.high > 1.0 and bounded("f1", share, low=0.0, high=1.0)["f1_high"] == 1.0
    with pytest.raises(InputError, match="got 2 and 1 values"):
        ratio_interval([1.0, 2.0], [1.0])


def test_seeds_without_an_effect_leave_the_t_interval_of_the_people():
    people = np.array([0.3, 0.5, 0.4, 0.7])
    found = crossed_interval(np.tile(people[:, None], (1, 3)))
    assert found == pytest.approx(t_interval(people))
    assert crossed_interval(people[:, None]) == t_interval(people)


def test_what_a_seed_does_to_all_people_widens_the_interval():
    people, seeds = np.array([0.3, 0.5, 0.4, 0.7]), np.array([-0.4, 0.0, 0.4])
    alike = crossed_interval(people[:, None] + seeds)
    # no rest: Var = P / (p s) + S / (p s) with P = s Var(people), S = p Var(seeds)
    variance = people.var(ddof=1) / 4 + seeds.var(ddof=1) / 3
    parts = np.array([people.var(ddof=1) / 4, seeds.var(ddof=1) / 3])
    degrees = variance**2 / np.sum(parts**2 / [3, 2])
    reach = stats.t.ppf(0.975, degrees) * math.sqrt(variance)
    assert (alike.low, alike.high) == pytest.approx((alike.mean - reach, alike.mean + reach))


@pytest.mark.parametrize(("of_people", "of_seeds"), [(1.0, 0.0), (1.0, 1.0), (0.2, 1.0)])
def test_the_crossed_interval_covers_the_truth_as_often_as_it_promises(of_people, of_seeds):
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        table = of_people * random.normal(size=(12, 1)) + of_seeds * random.normal(size=(1, 4))
        found = crossed_interval(table + 0.5 * random.normal(size=(12, 4)))
        covered += found.low <= 0 <= found.high
    assert 0.92 <= covered / 300 <= 0.99


@pytest.mark.parametrize(("people", "seeds"), [(2, 2), (5, 3), (13, 3)])
def test_the_crossed_interval_of_few_is_no_wider_than_students_t_of_the_fewest(people, seeds):
    random = np.random.default_rng(0)
    covered = []
    for _ in range(400):  # nothing but noise: the parts of people and seeds are near zero
        table = random.normal(size=(people, seeds))
        found = crossed_interval(table)
        deviation = math.sqrt(table.mean(axis=1).var(ddof=1) / people)
        deviation += math.sqrt(table.mean(axis=0).var(ddof=1) / seeds)
        most = stats.t.ppf(0.975, min(people, seeds) - 1) * deviation
        assert found.high - found.mean <= most * (1 + 1e-9)
        covered.append(found.low <= 0 <= found.high)
    assert 0.93 <= np.mean(covered) <= 0.995


def test_the_bounds_of_a_share_stay_between_0_and_1():
    found = share_interval([3, 4, 1], [3, 4, 3])
    assert found.mean == pytest.approx(0.8) and found.high == 1.0
    assert found.low == 0.0 > ratio_interval([3, 4, 1], [3, 4, 3]).low
    assert math.isnan(share_interval([0, 0], [0, 0]).mean)


def test_the_interval_over_clips_is_scipys_percentile_bootstrap_of_those_that_are_defined():
    values = np.random.default_rng(3).beta(5, 2, 30)
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=4000, rng=np.random.default_rng(0)
    ).confidence_interval
    found = clip_interval([*values, math.nan])
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.01)
    assert found.mean == pytest.approx(values.mean()) and found.count == 30


def test_the_interval_over_clips_of_a_share_stays_a_share_and_needs_five_clips():
    found = clip_interval([1.0, 1.0, 1.0, 1.0, 0.2])
    assert 0.0 <= found.low < found.mean < found.high <= 1.0
    few = clip_interval([1.0, 0.5, math.nan, 1.0, 1.0])
    assert few.mean == 0.875 and few.count == 4 and few.low == -math.inf
    nothing = clip_interval([math.nan, math.nan])
    assert math.isnan(nothing.mean) and nothing.count == 0
