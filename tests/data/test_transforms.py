"""Cuts keep sound, prosody, words and motion of the same instant together."""

import numpy as np
import pytest

from ksdiff_jax.audio.prosody import extract_prosody, normalise_prosody
from ksdiff_jax.audio.running_prosody import normalise_so_far
from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.data.batch import collate
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.data.transforms import (
    cut,
    random_start,
    raw_prosody,
    transcript_of_cut,
)
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.models.ksdiff.system import KSDiff
from ksdiff_jax.motion.clip_keyframes import clip_keyframes
from ksdiff_jax.motion.space import MOTION_DIMS
from ksdiff_jax.overrides import override
from ksdiff_jax.speech.transcript import encode
from tests.data.clips import make_clip


def test_a_cut_takes_the_same_instant_of_everything():
    clip = make_clip(1, frames=80)
    row = cut(clip, start=20, frames=32, max_tokens=64)
    np.testing.assert_array_equal(row.motion, motion_of_clip(clip)[20:52])
    np.testing.assert_allclose(
        row.speech.audio,
        clip.audio[20 * SAMPLES_PER_MOTION_FRAME : 52 * SAMPLES_PER_MOTION_FRAME] / 32767,
        atol=1e-7,
    )
    np.testing.assert_array_equal(row.speech.prosody, normalise_prosody(clip.prosody)[40:104])
    assert row.speech.mask.all() and row.speech.mask.shape == (32,)


def test_a_training_crop_has_the_keyframes_of_its_clip():
    clip, system = make_clip(7, frames=200), KSDiff(Config())
    bits = clip_keyframes(motion_of_clip(clip))
    row = system.example(clip, 60, rng=np.random.default_rng(1))
    (start,) = (s for s in range(141) if np.array_equal(row.motion[0], motion_of_clip(clip)[s]))
    np.testing.assert_array_equal(row.keyframes, bits[start : start + 60])
    assert (row.keyframes != clip_keyframes(row.motion)).any()
    assert not system.example(clip, 256).keyframes[200:].any()


def test_a_causal_row_has_prosody_by_running_statistics_from_the_beginning_of_its_clip():
    clip, system = make_clip(4, frames=100), KSDiff(Config())
    assert system.example(clip, 60, rng=np.random.default_rng(1)).speech.causal is None
    system = KSDiff(override(system.config, {"model.causal.probability": "0.5"}))
    assert system.example(clip, 60).speech.causal is None  # validation: whole recordings
    random = np.random.default_rng(1)
    rows = [system.example(clip, 60, rng=random) for _ in range(20)]
    assert 0 < sum(bool(row.speech.causal) for row in rows) < 20
    forms = {True: normalise_so_far(clip.prosody), False: normalise_prosody(clip.prosody)}
    for row in rows:
        (start,) = (s for s in range(41) if np.array_equal(row.motion[0], motion_of_clip(clip)[s]))
        expected = forms[bool(row.speech.causal)][2 * start : 2 * start + 120]
        np.testing.assert_array_equal(row.speech.prosody, expected)
    assert collate([row.speech for row in rows]).causal.shape == (20,)


def test_what_lies_beyond_the_clip_is_zero_and_masked():
    clip = make_clip(2, frames=20, audio=np.full(SAMPLES_PER_MOTION_FRAME * 20 + 300, 99, np.int16))
    row = cut(clip, start=0, frames=32, max_tokens=64)
    assert row.speech.mask.sum() == 20 and row.speech.mask[:20].all()
    assert (
        not row.speech.audio[20 * SAMPLES_PER_MOTION_FRAME :].any()
        and not row.speech.prosody[40:].any()
        and not row.motion[20:].any()
    )
    assert len(row.speech.audio) == 32 * SAMPLES_PER_MOTION_FRAME


def test_a_cut_reads_the_words_whose_middle_it_holds():
    clip = make_clip(3, frames=100)  # words of half a second, w0 to w7
    # 1.0 to 2.2 s; the middle of w4 is at 2.25 s
    assert transcript_of_cut(clip, start=25, frames=30, max_bytes=62) == "w2 w3"
    assert transcript_of_cut(clip, start=0, frames=128, max_bytes=62) == clip.transcript
    tokens, _ = encode("w2 w3", max_tokens=64)
    row = cut(clip, start=25, frames=30, max_tokens=64)
    np.testing.assert_array_equal(row.speech.tokens, tokens)


@pytest.mark.parametrize("stored", [True, False])
def test_a_cut_of_a_clip_without_word_times_reads_its_share_of_the_text(stored):
    sound = np.zeros(SAMPLES_PER_MOTION_FRAME * 100, np.int16)
    sound[: len(sound) // 2] = 3000  # two seconds of sound, two of silence
    prosody = np.zeros((200, 2), np.float32)
    prosody[100:, 1] = -9
    words = {"words": (), "transcript": "aa bb cc dd", "audio": sound}
    clip = make_clip(4, frames=100, prosody=prosody if stored else None, **words)
    assert transcript_of_cut(clip, start=0, frames=25, max_bytes=62) == "aa bb"
    assert transcript_of_cut(clip, start=25, frames=30, max_bytes=62) == "cc dd"
    assert transcript_of_cut(clip, start=60, frames=30, max_bytes=62) == ""
    assert transcript_of_cut(clip, start=0, frames=100, max_bytes=62) == "aa bb cc dd"
    assert transcript_of_cut(clip, start=0, frames=100, max_bytes=5) == "bb cc"


def test_random_cuts_reach_every_start_and_never_pass_the_end():
    rng = np.random.default_rng(0)
    starts = {random_start(rng, clip_frames=40, frames=32) for _ in range(300)}
    assert starts == set(range(9))
    assert random_start(rng, clip_frames=10, frames=32) == 0


def test_prosody_that_was_not_stored_is_computed():
    clip = make_clip(5, frames=10, prosody=None)
    np.testing.assert_array_equal(
        raw_prosody(clip), extract_prosody((clip.audio / 32767).astype(np.float32))
    )


def test_another_frame_rate_is_refused_by_name():
    clip = make_clip(6, frames=30, fps=30.0, audio=np.zeros(16_000, np.int16))
    with pytest.raises(InputError, match="'clip-6': 30 frames per second; 25"):
        cut(clip, start=0, frames=32, max_tokens=64)


def test_examples_become_the_rows_of_a_batch():
    rows = [cut(make_clip(i), start=0, frames=40, max_tokens=16) for i in range(3)]
    batch = collate(rows)
    assert batch.motion.shape == (3, 40, MOTION_DIMS) and batch.speech.audio.shape == (3, 25_600)
    assert batch.speech.mask.dtype == bool and batch.speech.tokens.dtype == np.int32
    np.testing.assert_array_equal(batch.speech.prosody[2], rows[2].speech.prosody)
