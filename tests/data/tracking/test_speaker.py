import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.data.tracking.speaker import audio_visual_offset


@pytest.fixture(scope="module")
def speech():
    """(opening (250,) at 25 Hz, sound (160000,)): a mouth that opens as wide as the sound
    is loud.
    """
    rng = np.random.default_rng(0)
    envelope = np.clip(np.convolve(rng.normal(size=280), np.hanning(9), "valid")[:250], 0, None)
    carrier = rng.normal(size=160_000)
    sound = (
        0.1
        * np.interp(np.arange(160_000) / SAMPLES_PER_MOTION_FRAME, np.arange(250) + 0.5, envelope)
        * carrier
    )
    return 0.02 * envelope, sound.astype(np.float32)


@pytest.mark.parametrize("late_frames", [-5, 0, 3, 7])
def test_the_offset_is_found(speech, late_frames):
    opening, sound = speech
    found = audio_visual_offset(np.roll(opening, late_frames), sound)
    assert found.offset_s == pytest.approx(late_frames / 25)
    assert found.correlation > 0.6
    assert found.speaks


def test_a_still_mouth_with_sound_does_not_speak(speech):
    _, sound = speech
    still = 0.001 * np.sin(np.arange(250))
    assert not audio_visual_offset(still, sound).speaks


def test_a_still_mouth_in_silence_is_nobody_elses(speech):
    assert audio_visual_offset(np.zeros(250), np.zeros(160_000, np.float32)).speaks


def test_what_cannot_be_told_is_nan():
    found = audio_visual_offset(np.zeros(250), np.zeros(160_000, np.float32))
    assert np.isnan(found.offset_s)
    assert np.isnan(found.correlation)
    assert np.isnan(audio_visual_offset(np.arange(10) / 100, np.ones(6400, np.float32)).offset_s)
