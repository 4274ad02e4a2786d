"""Delayed copies among channels: they are found at their delay, and a second person never counts as
one.
"""

import numpy as np
import pytest

from ksdiff_jax.audio.delayed import DelayedCopies
from tests.recordings import RATE_HZ, bursts

A, B = bursts(4.0, seed=3), bursts(4.0, seed=4)
NO_ONE = np.zeros_like(A)


def later(samples, by):
    return np.roll(samples, by)


def found(*channels):
    copies = DelayedCopies(0)
    copies.add(np.stack(channels), RATE_HZ)
    return copies.found.tolist()


@pytest.mark.parametrize("by", [-300, -16, 1, 16, 160, 310])
def test_a_copy_is_found_at_any_delay_level_and_sign_and_with_some_noise(by):
    noise = 0.02 * np.random.default_rng(0).normal(size=len(A))
    assert found(A, 0.4 * later(A, by) + 0.2 * noise, -later(A, by)) == [False, True, True]


def test_what_comes_at_the_same_instant_or_later_than_any_room_delays_is_no_delayed_copy():
    assert found(A, A, -A, later(A, 800), NO_ONE) == [False] * 5


def test_a_second_person_who_says_one_word_beside_the_first_ones_echo_is_no_copy():
    one_word = np.where(np.arange(len(B)) // (RATE_HZ // 2) == 5, B, 0)
    assert found(A, 0.3 * later(A, 20) + one_word) == [False, False]


def test_nothing_is_found_in_nothing():
    assert not DelayedCopies(0).found.any() and found(NO_ONE, NO_ONE) == [False, False]
