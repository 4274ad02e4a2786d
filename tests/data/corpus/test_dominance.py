import math

import numpy as np

from ksdiff_jax.data.corpus.dominance import Segments, blend


def test_two_segments_blend_as_computed_by_hand():
    # At 0.3 s the first core (ends 0.1) is 0.2 s behind and the second (begins 0.4) 0.1 s ahead.
    first, second = 2.0 * math.exp(-8.0 * 0.2), 3.0 * math.exp(-10.0 * 0.1)
    expected = (first * 1.0 + second * 0.25) / (first + second)
    value = blend(
        np.array([0.3]),
        Segments(
            np.array([0.0, 0.4]), np.array([0.1, 0.5]), np.array([1.0, 0.25]), np.array([2.0, 3.0])
        ),
        rate_before_hz=10.0,
        rate_after_hz=8.0,
    )
    np.testing.assert_allclose(value, [expected], rtol=1e-12)


def test_a_segment_without_dominance_has_no_say():
    times, start, end = np.linspace(0, 1, 11), np.array([0.2, 0.6]), np.array([0.4, 0.8])
    rates = {"rate_before_hz": 10.0, "rate_after_hz": 10.0}
    segments = Segments(start, end, np.array([0.7, 0.1]), np.array([1.0, 0.0]))
    value = blend(times, segments, **rates)
    np.testing.assert_allclose(value, 0.7)


def test_far_from_every_segment_the_nearest_decides_and_nothing_underflows():
    rates = {"rate_before_hz": 50.0, "rate_after_hz": 50.0}
    value = blend(
        np.array([100.0]),
        Segments(np.array([0.0, 2.0]), np.array([1.0, 3.0]), np.array([0.2, 0.9]), np.ones(2)),
        **rates,
    )
    np.testing.assert_allclose(value, [0.9])


def test_a_blend_stays_within_its_targets():
    rng = np.random.default_rng(0)
    start = np.sort(rng.uniform(0, 5, 40))
    target = rng.uniform(-1, 1, 40)
    value = blend(
        np.linspace(0, 5, 500),
        Segments(start, start + 0.05, target, rng.uniform(0.1, 5, 40)),
        rate_before_hz=9.0,
        rate_after_hz=13.0,
    )
    assert value.min() >= target.min() and value.max() <= target.max()
