"""Sound that is collected in one array."""

import numpy as np
import pytest

from ksdiff_jax.audio import sound_buffer
from ksdiff_jax.audio.sound_buffer import collected, peak, with_whole_frames
from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME as FRAME


@pytest.mark.parametrize("about_s", [None, 0.0, 2.0, 1e9])
def test_collected_parts_are_those_that_came(monkeypatch, about_s):
    monkeypatch.setattr(sound_buffer, "_LEAST_S", 0)
    monkeypatch.setattr(sound_buffer, "_MOST_S", 3)
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=n).astype(np.float32) for n in (0, 7_000, 40_000, 1, 90_000)]
    audio = collected(iter(parts), about_s=about_s)
    np.testing.assert_array_equal(audio, np.concatenate(parts))
    assert collected([]).shape == (0,)


@pytest.mark.parametrize(
    ("samples", "whole"),
    [(FRAME, FRAME), (FRAME + 319, FRAME), (FRAME + 320, 2 * FRAME), (300, FRAME)],
)
def test_whole_frames_lie_in_the_memory_of_the_sound(samples, whole):
    audio = collected([np.ones(samples + 5, np.float32)])[:samples]
    padded = with_whole_frames(audio)
    assert np.shares_memory(audio, padded) and len(padded) == whole
    assert padded[:samples].all() and not padded[samples:].any()
    assert audio.all() and len(audio) == samples


def test_the_peak_is_the_largest_value_of_either_sign():
    assert peak(np.array([0.25, -0.5, 0.125], np.float32)) == 0.5
    assert peak(np.zeros(0, np.float32)) == 0
