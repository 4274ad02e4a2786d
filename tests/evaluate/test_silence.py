import numpy as np
import pytest

from ksdiff_jax.evaluate.silence import silence_ratio, silence_speed


def test_the_speed_is_that_of_the_steps_inside_pauses():
    opening = np.array([0.0, 0.1, 0.3, 0.3, 0.4, 0.0])
    pauses = np.array([False, False, True, True, True, False])
    # inside: 0 and 0.1; outside, with the steps into and out of the pause: 0.1, 0.2, 0.4
    assert silence_speed(opening, pauses, fps=25.0) == pytest.approx(0.05 * 25)
    assert silence_ratio(opening, pauses, fps=25.0) == pytest.approx(0.05 / (0.7 / 3))


def test_a_still_face_is_the_best_by_speed_and_no_better_than_chance_by_ratio():
    pauses = np.arange(10) < 5
    assert silence_speed(np.full(10, 0.1), pauses, fps=25.0) == 0.0
    assert silence_ratio(np.full(10, 0.1), pauses, fps=25.0) == 1.0


def test_without_pauses_nothing_is_defined():
    opening, nothing = np.arange(4.0), np.zeros(4, bool)
    assert np.isnan(silence_speed(opening, nothing, fps=25.0))
    assert np.isnan(silence_ratio(opening, nothing, fps=25.0))
    assert np.isnan(silence_ratio(opening, ~nothing, fps=25.0))
