import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.data.prepare.source import Settings, Source
from ksdiff_jax.data.prepare.take import Take, clips_of_take, cut_at_pauses, sound_of_take
from ksdiff_jax.data.schema import check_clip
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript

NOBODY = Transcript("", "")


def _take(frames: int, *, audio=None, start_s: float = 0.0, whole: bool = True) -> Take:
    rng = np.random.default_rng(0)
    audio = (
        rng.normal(scale=0.1, size=SAMPLES_PER_MOTION_FRAME * frames).astype(np.float32)
        if audio is None
        else audio
    )
    ramp = np.arange(frames, dtype=np.float32)[:, None]
    return Take(
        start_s=start_s,
        expression=np.repeat(ramp, 50, 1),
        rotation=np.repeat(ramp, 3, 1) / 1000,
        jaw=np.zeros((frames, 3)),
        camera=np.zeros((frames, 3)),
        shape=np.zeros(100),
        audio=audio,
        tool="test",
        measures={"reprojection_error": 0.01},
        whole=whole,
        space="builtin",
    )


def test_a_short_take_is_one_clip_with_all_its_words():
    transcript = Transcript(
        "hello big world", "x", "word", (Spoken("hello", 0.1, 0.5), Spoken("world", 1.0, 1.5))
    )
    (clip,), rejected = clips_of_take(
        _take(50), Source("a/b", speaker_id="s", language="en"), transcript, Settings()
    )
    check_clip(clip)
    assert rejected == []
    assert (clip.clip_id, clip.speaker_id, clip.language, clip.frames) == (
        "a/b@0.00",
        "s",
        "en",
        50,
    )
    assert clip.transcript == "hello big world"
    assert [word.text for word in clip.words] == ["hello", "world"]
    assert clip.measures == {"reprojection_error": 0.01, "start_s": 0.0}


def test_long_takes_are_cut_where_it_is_quiet():
    frames = 1000
    audio = (
        np.random.default_rng(1)
        .normal(scale=0.1, size=SAMPLES_PER_MOTION_FRAME * frames)
        .astype(np.float32)
    )
    for quiet in (440, 700):
        audio[SAMPLES_PER_MOTION_FRAME * (quiet - 4) : SAMPLES_PER_MOTION_FRAME * (quiet + 4)] = 0
    pieces = cut_at_pauses(audio, frames=frames, longest=500)
    assert [last - first for first, last in pieces] == pytest.approx([440, 260, 300], abs=4)
    assert [first for first, _ in pieces[1:]] == [last for _, last in pieces[:-1]]
    assert (pieces[0][0], pieces[-1][1]) == (0, frames)


@pytest.mark.parametrize("frames", [1, 499, 500, 501, SAMPLES_PER_MOTION_FRAME, 999, 1001, 2345])
def test_pieces_cover_everything_and_none_is_a_scrap(frames):
    audio = (
        np.random.default_rng(frames)
        .normal(scale=0.1, size=SAMPLES_PER_MOTION_FRAME * frames)
        .astype(np.float32)
    )
    pieces = cut_at_pauses(audio, frames=frames, longest=500)
    lengths = [last - first for first, last in pieces]
    assert sum(lengths) == frames
    assert max(lengths) <= 500
    if frames > 500:
        assert min(lengths) >= 500 // 3


def test_clips_of_a_cut_take_have_their_own_words_motion_and_sound():
    words = tuple(Spoken(f"w{k}", 10 + k, 10.5 + k) for k in range(24))
    transcript = Transcript("all of it", "x", "word", words)
    take = _take(600, start_s=10.0)
    clips, _ = clips_of_take(take, Source("v"), transcript, Settings(max_s=10.0))
    assert len(clips) > 2
    assert [word.text for clip in clips for word in clip.words] == [word.text for word in words]
    at = 0
    for clip in clips:
        check_clip(clip)
        assert clip.transcript == " ".join(word.text for word in clip.words)
        np.testing.assert_array_equal(clip.expression[:, 0], np.arange(at, at + clip.frames))
        expected = np.rint(
            take.audio[
                SAMPLES_PER_MOTION_FRAME * at : SAMPLES_PER_MOTION_FRAME * (at + clip.frames)
            ]
            * 32767
        )
        np.testing.assert_array_equal(clip.audio, expected.astype(np.int16))
        assert clip.clip_id == f"v@{10 + at / 25:.2f}"
        at += clip.frames


def test_a_text_without_times_is_not_given_to_parts():
    clips, _ = clips_of_take(
        _take(600), Source("v"), Transcript("all of it", "x"), Settings(max_s=10.0)
    )
    assert {clip.transcript for clip in clips} == {""}


def test_short_and_silent_takes_are_rejected_with_the_reason():
    clips, rejected = clips_of_take(_take(20), Source("v"), NOBODY, Settings(min_s=1.0))
    assert clips == []
    assert [(r.clip_id, r.reason) for r in rejected] == [("v@0.00", "too_short")]
    assert "0.80 s" in rejected[0].detail
    silent = _take(50, audio=np.zeros(32_000, np.float32))
    assert clips_of_take(silent, Source("v"), NOBODY, Settings())[1][0].reason == "no_sound"


def test_sound_beyond_the_recording_is_silence():
    audio = np.arange(1, 2001, dtype=np.float32)
    part = sound_of_take(audio, start_s=0.1, frames=2)
    np.testing.assert_array_equal(part[:400], audio[1600:])
    assert not part[400:].any()
    assert len(part) == 1280
