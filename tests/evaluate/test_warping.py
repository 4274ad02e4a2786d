import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.warping import warped_distance


def by_recursion(a, b, *, reach: float = np.inf) -> float:
    """The definition, word for word."""

    def least(i: int, j: int) -> float:
        if i < 0 or j < 0 or abs(i - j) > reach:
            return np.inf
        distance = abs(a[i] - b[j])
        if i == j == 0:
            return 2 * distance
        straight = min(least(i - 1, j), least(i, j - 1)) + distance
        return min(straight, least(i - 1, j - 1) + 2 * distance)

    return least(len(a) - 1, len(b) - 1) / (len(a) + len(b))


@pytest.mark.parametrize(("n", "m", "reach"), [(5, 5, None), (6, 4, None), (6, 6, 1), (6, 5, 2)])
def test_the_distance_is_that_of_the_best_path(n, m, reach):
    random = np.random.default_rng(n * 10 + m)
    a, b = random.uniform(size=n), random.uniform(size=m)
    expected = by_recursion(a, b, reach=np.inf if reach is None else reach)
    assert warped_distance(a, b, reach_frames=reach) == pytest.approx(expected)


def test_a_late_mouth_is_forgiven_within_the_window_only():
    pulse, late = np.zeros(20), np.zeros(20)
    pulse[8], late[11] = 1.0, 1.0
    assert warped_distance(pulse, late) == 0.0
    assert warped_distance(pulse, late, reach_frames=3) == 0.0
    # two frames do not suffice: each pulse is matched with zero, by steps that weigh 1 each
    assert warped_distance(pulse, late, reach_frames=2) == pytest.approx(2 / 40)


def test_a_constant_difference_cannot_be_warped_away():
    assert warped_distance(np.full(7, 0.5), np.full(9, 0.2)) == pytest.approx(0.3)
    assert np.isnan(warped_distance(np.zeros(0), np.zeros(3)))


def test_a_window_narrower_than_the_difference_of_the_lengths_is_refused():
    with pytest.raises(InputError, match="series of 7 and 4 frames; a window of 2"):
        warped_distance(np.zeros(7), np.zeros(4), reach_frames=2)
