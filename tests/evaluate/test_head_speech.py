"""Figures of the head: what two samples of one clip have in common comes from the speech."""

from dataclasses import replace

import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME as FRAME
from ksdiff_jax.evaluate.head_speech import (
    head_figures,
    head_statistics,
    pauses_of,
    speech_share,
)
from ksdiff_jax.evaluate.prediction import Prediction
from ksdiff_jax.motion.space import MOTION_DIMS
from tests.evaluate.pretend import talking_clip


def spoken(number: int):
    """A clip of 8 s, loud but for one pause that lies elsewhere in each clip."""
    random = np.random.default_rng(number)
    audio = (8000 * random.standard_normal(200 * FRAME)).clip(-30000, 30000).astype(np.int16)
    begin = 25 + 20 * number
    audio[begin * FRAME : (begin + 30) * FRAME] = 0
    audio[5 * FRAME : 10 * FRAME] = 0  # too short for a pause
    clip = talking_clip(number, frames=200)
    return replace(clip, audio=audio, rotation=turning(random, clip_pace(begin))), begin


def clip_pace(begin: int) -> np.ndarray:
    pace = np.ones(200)
    pace[begin : begin + 30] = 0.3
    return pace


def turning(random: np.random.Generator, pace: np.ndarray) -> np.ndarray:
    """Steps about one axis whose size is random around the pace, in a random direction."""
    steps = pace * random.uniform(0.5, 1.5, 200) * random.choice([-1, 1], 200)
    return np.radians(np.cumsum(steps)[:, None] * [0.0, 1.0, 0.0]).astype(np.float32)


def predictions(spoken_clips, *, samples: int) -> list[Prediction]:
    random = np.random.default_rng(0)
    found = []
    for _, begin in spoken_clips:
        motion = np.zeros((samples, 200, MOTION_DIMS), np.float32)
        motion[..., 50:53] = [turning(random, clip_pace(begin)) for _ in range(samples)]
        found.append(Prediction(motion))
    return found


def test_a_pause_is_half_a_second_of_quiet():
    clip, begin = spoken(1)
    np.testing.assert_array_equal(np.flatnonzero(pauses_of(clip)), np.arange(begin, begin + 30))
    assert not pauses_of(replace(clip, audio=np.zeros_like(clip.audio))).any()


def test_the_figures_of_a_head_that_rests_in_pauses_and_those_of_shuffled_speech():
    pairs = [spoken(number) for number in range(6)]
    clips = [clip for clip, _ in pairs]
    figures = head_figures(clips, predictions(pairs, samples=4))
    assert figures["head_pause_speed_ratio"] == pytest.approx(0.3, abs=0.03)
    assert figures["head_pause_speed_ratio_truth"] == pytest.approx(0.3, abs=0.05)
    assert figures["head_pause_speed_ratio_shuffled"] > 0.6
    # Between samples the pace varies by 0.7² · 0.15 · 0.85, the steps by 1 / 12 of its square.
    expected = 0.0625 / (0.0625 + (0.85 + 0.15 * 0.09) / 12)
    assert figures["head_speech_share"] == pytest.approx(expected, abs=0.05)
    assert figures["head_speech_share_low"] > 0.2 > figures["head_speech_share_shuffled_high"]
    assert "head_speech_share" not in head_figures(clips, predictions(pairs, samples=1))


def test_the_share_has_no_bias_for_few_samples():
    random = np.random.default_rng(0)
    common = random.standard_normal((400, 1, 50))
    noise = random.standard_normal((400, 2, 50))
    assert speech_share(list(common + 2 * noise)).mean == pytest.approx(0.2, abs=0.03)


def test_speed_and_spectrum_of_a_swinging_head_are_those_of_its_sine():
    time_s = np.arange(500) / 25
    swing = np.radians(3.0) * np.sin(2 * np.pi * 0.37 * time_s)[:, None] * [1.0, 0.0, 0.0]
    found = head_statistics(swing)
    fastest = 3.0 * 2 * np.pi * 0.37
    assert found.median == pytest.approx(fastest * np.sqrt(0.5), rel=0.02)
    assert found.fast == pytest.approx(fastest * np.sin(0.95 * np.pi / 2), rel=0.02)
    assert found.half_power_hz == pytest.approx(0.37, abs=0.05)
