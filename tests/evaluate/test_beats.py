import numpy as np
import pytest

from ksdiff_jax.evaluate import beats


def test_clicks_are_heard_at_their_frames():
    audio = np.zeros(32_000, np.float32)
    for second in (0.5, 1.0, 1.5):
        start = int(second * 16_000)
        audio[start : start + 400] = np.random.default_rng(0).normal(size=400) * 0.5
    assert beats.audio_beats(audio) == pytest.approx([12.5, 25.0, 37.5], abs=1.0)


def test_silence_has_no_beats():
    assert len(beats.audio_beats(np.zeros(16_000, np.float32))) == 0


def test_a_swinging_head_rests_at_its_turning_points():
    angle = 0.3 * np.cos(2 * np.pi * np.arange(100) / 40)  # turns at frames 20, 40, 60, 80
    rotation = np.stack([np.zeros(100), angle, np.zeros(100)], axis=1)
    assert beats.kinematic_beats(rotation) == pytest.approx([20, 40, 60, 80], abs=1)


def test_the_score_is_the_gaussian_of_the_nearest_distance():
    score = beats.beat_align(np.array([10.0, 20.0]), np.array([10.0, 23.0]))
    assert score == pytest.approx((1 + np.exp(-0.5)) / 2)
    assert beats.beat_align(np.array([10.0]), np.array([])) == 0.0
    assert np.isnan(beats.beat_align(np.array([]), np.array([1.0])))


def test_jitter_does_not_make_beats():
    angle = 0.3 * np.cos(2 * np.pi * np.arange(100) / 40)
    angle += np.random.default_rng(0).normal(scale=2e-3, size=100)
    rotation = np.stack([np.zeros(100), angle, np.zeros(100)], axis=1)
    assert beats.kinematic_beats(rotation) == pytest.approx([20, 40, 60, 80], abs=3)
