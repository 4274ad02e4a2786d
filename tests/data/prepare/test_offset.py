"""The offset of sound and face of a take: corrected where it is sure, kept or refused elsewhere."""

import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.data.prepare.source import Rejected, Settings, Source
from ksdiff_jax.data.prepare.take import Take, clips_of_take
from ksdiff_jax.data.prepare.track import aligned, offset_of_take
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript

FRAMES, FIRST = 60, 10  # the take begins at frame 10 of a sound of 72 frames
SOUND_FRAMES = 72


def sound():
    """A sound in which the value of a sample is the number of its motion frame, from 1."""
    numbers = np.arange(1, SOUND_FRAMES + 1) / 1000
    return np.repeat(numbers, SAMPLES_PER_MOTION_FRAME).astype(np.float32)


def take(offset_frames, *, lead=0.5, first=FIRST):
    frame = np.arange(first, first + FRAMES, dtype=np.float32)[:, None]
    audio = sound()[first * SAMPLES_PER_MOTION_FRAME :][: FRAMES * SAMPLES_PER_MOTION_FRAME]
    return Take(
        start_s=first / 25,
        expression=np.tile(frame, 50),
        rotation=np.tile(frame, 3),
        jaw=np.tile(frame, 3),
        camera=np.tile(frame, 3),
        shape=np.zeros(100, np.float32),
        audio=np.pad(audio, (0, FRAMES * SAMPLES_PER_MOTION_FRAME - len(audio))),
        tool="test",
        measures={"av_offset_s": offset_frames / 25, "av_correlation": 0.6, "av_lead": lead},
        whole=True,
        space="builtin",
    )


@pytest.mark.parametrize("offset", [-6, -2, 2, 5, 11])
def test_every_frame_of_an_aligned_take_has_the_sound_of_its_mouth(offset):
    moved = aligned(take(offset), sound(), Settings())
    heard = moved.audio.reshape(-1, SAMPLES_PER_MOTION_FRAME)[:, 0] * 1000 - 1
    np.testing.assert_allclose(heard, moved.jaw[:, 0] - offset, atol=1e-3)
    kept = [f for f in range(FIRST, FIRST + FRAMES) if 0 <= f - offset < SOUND_FRAMES]
    assert moved.jaw[:, 0].tolist() == kept
    assert moved.start_s == pytest.approx(kept[0] / 25) and moved.offset_s == offset / 25
    assert len(moved.expression) == len(moved.camera) == len(moved.rotation) == len(kept)


def test_small_offsets_uncertain_ones_and_those_to_be_kept_stay():
    for one, settings in (
        (take(1), Settings()),
        (take(-4, lead=0.2), Settings()),
        (take(-4), Settings(offset="keep")),
    ):
        assert aligned(one, sound(), settings) is one
    assert aligned(take(-4), sound(), Settings(offset="refuse")).offset_s == -4 / 25


def test_an_uncertain_offset_is_refused_if_asked_for_and_named_otherwise():
    doubtful = take(-4, lead=0.2)
    named = offset_of_take("v@0.40", doubtful)
    assert not named.sure and named.offset_s == -4 / 25 and named.corrected_s == 0
    with pytest.raises(Rejected) as refusal:
        aligned(doubtful, sound(), Settings(offset="refuse"))
    assert refusal.value.reason == "uncertain_offset"
    assert "0.20 above any other shift; need 0.3" in refusal.value.detail
    still = take(0)._replace(measures={})  # nothing could be measured
    assert offset_of_take("v@0.40", still)[1:] == (None, None, None, False, 0.0)
    assert aligned(still, sound(), Settings()) is still


def test_words_follow_the_sound():
    words = (Spoken("now", 0.6, 0.8),)
    transcript = Transcript("now", "", unit="word", spoken=words)
    settings = Settings(min_s=0.1)
    for offset in (0, -5):
        moved = aligned(take(offset), sound(), settings)
        (clip,), _ = clips_of_take(moved, Source("v"), transcript, settings)
        ((_, start_s, _),) = clip.words
        at = round(start_s * 25) * SAMPLES_PER_MOTION_FRAME
        assert clip.audio[at] / 32768 * 1000 - 1 == pytest.approx(0.6 * 25, abs=0.1)
