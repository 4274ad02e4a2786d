from pathlib import Path

import numpy as np
import pytest

from ksdiff_jax.evaluate import mouth_scores
from ksdiff_jax.evaluate.measured import MeasuredClip
from ksdiff_jax.evaluate.mouth_scores import mouth_score, movement, real_closures


@pytest.mark.parametrize("lag", [-8, -3, 0, 5])
def test_the_best_lag_is_found_and_its_sign_says_who_is_late(lag):
    signal = np.random.default_rng(0).normal(size=120)
    predicted, measured = signal[20 - lag : 100 - lag], signal[20:100]
    score, found = mouth_scores.lagged_correlation(predicted, measured)
    assert score == pytest.approx(1.0)
    assert found == lag


def test_a_lag_beyond_the_window_is_not_found():
    signal = np.random.default_rng(0).normal(size=120)
    assert mouth_scores.lagged_correlation(signal[10:110], signal[20:120])[0] < 0.5


def test_a_constant_prediction_scores_zero():
    assert mouth_scores.lagged_correlation(np.ones(50), np.arange(50.0) % 7) == (0.0, 0)


def clip_of(opening, **fields):
    """A clip of somebody with this measured opening."""
    return MeasuredClip("clip", "somebody", Path("clip.wav"), np.asarray(opening), **fields)


def test_a_copy_that_is_late_scores_one_at_its_lag_and_less_at_zero():
    real = np.random.default_rng(0).uniform(0, 0.1, 120)
    score = mouth_score(np.concatenate([np.full(3, 0.05), real]), clip_of(real))
    assert (score.correlation, score.lag) == (pytest.approx(1.0), 3)
    assert score.correlation_at_zero < 0.5


def test_a_measurement_that_begins_later_than_the_sound_is_compared_from_there():
    whole = np.random.default_rng(0).uniform(0, 0.1, 120)
    score = mouth_score(whole, clip_of(whole[30:], first_frame=30))
    assert (score.correlation, score.lag) == (pytest.approx(1.0), 0)


def test_a_closure_counts_at_the_time_of_the_phone_only():
    opening = np.full(50, 0.1)
    opening[25] = 0.014  # at 1 s
    bilabials = (("p", 0.98, 1.02), ("m", 0.2, 0.3))
    score = mouth_score(opening, clip_of(np.full(50, 0.1), bilabials=bilabials))
    assert (score.closed, score.bilabials) == (1, 2)


def test_real_lips_are_read_at_the_offset_of_their_clip_and_from_its_first_frame():
    real = np.full(50, 0.1)
    real[10] = 0.0  # frame 30 of the sound's clock, 4 frames before the phone at 34 / 25 s
    clip = clip_of(real, first_frame=20, bilabials=(("b", 34 / 25, 34 / 25),))
    assert real_closures(clip, offset=4) == (1, 1)
    assert real_closures(clip, offset=0) == (0, 1)


def test_precision_asks_whether_the_real_lips_are_closed_there_too():
    real = np.tile([0.0, 0.1, 0.1, 0.1, 0.1, 0.1], 20)
    predicted = real.copy()
    predicted[3::6] = 0.01  # closed where the real mouth is open
    score = mouth_score(predicted, clip_of(real))
    assert (score.right_frames, score.closed_frames) == (20, 40)


def test_the_movement_of_a_triangle_is_known():
    wave = np.abs((np.arange(250) % 50) - 25) / 250  # 0.1 in one second and back in the next
    found = movement(wave)
    assert found.speed == pytest.approx(0.1, rel=0.01)
    assert found.std == pytest.approx(0.1 / np.sqrt(12), rel=0.02)
    assert found.closed_share == pytest.approx(np.mean(wave < 0.015))
    assert found.half_hz == pytest.approx(0.5, abs=0.1)
