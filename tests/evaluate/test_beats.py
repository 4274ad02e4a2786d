import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
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


def test_without_smoothing_jitter_makes_beats_that_score_best():
    angle = 0.3 * np.cos(2 * np.pi * np.arange(100) / 80)
    angle += np.random.default_rng(0).normal(scale=2e-3, size=100)
    rotation = np.stack([np.zeros(100), angle, np.zeros(100)], axis=1)
    assert len(beats.kinematic_beats(rotation, smoothing_frames=0.0)) > 20

    def every_tenth(audio):
        return np.arange(5.0, 100.0, 10.0)

    silent = np.zeros(100 * SAMPLES_PER_MOTION_FRAME, np.float32)
    rough = beats.beat_alignment(silent, rotation, source=every_tenth, smoothing_frames=0.0)
    smooth = beats.beat_alignment(silent, rotation, source=every_tenth)
    assert rough > 0.8 > smooth
    wide = beats.beat_alignment(silent, rotation, source=every_tenth, sigma_frames=30.0)
    assert wide > smooth


def test_the_level_has_a_beat_in_the_middle_of_every_loud_syllable():
    loud = np.zeros(100)
    for middle in (20, 50, 75):
        loud += np.exp(-((np.arange(100) - middle) ** 2) / 18)
    tone = np.sin(2 * np.pi * 200 * np.arange(64_000) / 16_000)
    audio = (np.repeat(loud, SAMPLES_PER_MOTION_FRAME) * tone).astype(np.float32)
    assert beats.level_beats(audio) == pytest.approx([20, 50, 75], abs=1)
    assert len(beats.level_beats(audio[:SAMPLES_PER_MOTION_FRAME])) == 0
