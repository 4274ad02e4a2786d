"""Utterances, padding and cutting: zeros and masks at the right places."""

import warnings

import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME as FRAME
from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.reading import TranscriptWarning, read_utterance
from ksdiff_jax.speech.utterance import (
    Utterance,
    alike,
    cut_utterance,
    pad_utterance,
    stack_rows,
    whole_frames,
)


def numbered(frames: int, *, features: bool = True) -> Utterance:
    """An utterance whose samples and rows count from 1."""
    rows = np.arange(1, 2 * frames + 1, dtype=np.float32)
    return Utterance(
        np.arange(1, FRAME * frames + 1, dtype=np.float32),
        np.stack([rows, -rows], axis=1),
        np.array([1, 5, 2, 0], np.int32),
        np.array([True, True, True, False]),
        digest="",
        features=rows[:, None] * np.ones(3, np.float32) if features else None,
    )


def test_sound_is_padded_or_cut_to_whole_frames():
    ones = np.ones(1000, np.float32)
    assert [len(whole_frames(ones[:n])) for n in (1, FRAME, 959, 960)] == [
        FRAME,
        FRAME,
        FRAME,
        2 * FRAME,
    ]
    padded = whole_frames(ones, 3)
    assert padded.shape == (1920,) and padded[:1000].all() and not padded[1000:].any()
    assert len(whole_frames(ones, 1)) == FRAME


def test_padding_is_zero_and_masked():
    speech = pad_utterance(numbered(2), 5)
    assert [a.shape for a in (speech.audio, speech.prosody, speech.features)] == [
        (3200,),
        (10, 2),
        (10, 3),
    ]
    assert speech.mask.tolist() == [True, True, False, False, False]
    np.testing.assert_array_equal(speech.audio[:1280], np.arange(1, 1281))
    np.testing.assert_array_equal(speech.features[:4, 0], [1, 2, 3, 4])
    assert not (speech.audio[1280:].any() or speech.prosody[4:].any() or speech.features[4:].any())
    assert speech.tokens.tolist() == [1, 5, 2, 0] and speech.token_mask.sum() == 3


def test_a_cut_holds_the_frames_of_its_window_and_the_whole_transcript():
    cut = cut_utterance(numbered(6), 2, 5)
    assert cut.frames == 3
    assert (cut.audio[0], cut.audio[-1]) == (2 * FRAME + 1, 5 * FRAME)
    np.testing.assert_array_equal(cut.prosody[:, 0], np.arange(5, 11))
    np.testing.assert_array_equal(cut.features[:, 0], np.arange(5, 11))
    assert cut.tokens.tolist() == [1, 5, 2, 0]


def test_rows_are_stacked_and_features_may_be_missing():
    rows = [pad_utterance(numbered(n, features=False), 4) for n in (1, 3)]
    batch = stack_rows(rows)
    assert batch.features is None and batch.audio.shape == (2, 2560)
    assert batch.mask.sum(axis=1).tolist() == [1, 3]


def test_a_transcript_is_left_out_without_a_warning_where_none_is_read():
    sound = np.sin(np.arange(16_000) / 20).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error", TranscriptWarning)
        read = read_utterance(
            sound, transcript_text="hello there", max_tokens=2, sample_rate_hz=16_000
        )
    assert read.tokens.shape == (2,) and read.token_mask.all()


def test_keyframes_by_hand_follow_their_frames_into_a_window():
    utterance = numbered(6).with_keyframes(head=[0.0, 0.121, 0.24])
    assert utterance.keyframes.tolist() == [[-1, 1], [-1, 0], [-1, 0], [-1, 1], [-1, 0], [-1, 1]]
    assert utterance.with_keyframes(expression=()).keyframes.tolist() == [[0, -1]] * 6
    row = pad_utterance(cut_utterance(utterance, 2, 5), 4)
    assert row.keyframes.tolist() == [[-1, 0], [-1, 1], [-1, 0], [0, 0]]
    plain, marked = alike([numbered(3), numbered(3).with_keyframes(head=[0.04])])
    stacked = stack_rows([pad_utterance(one, 3) for one in (plain, marked)])
    assert stacked.keyframes[..., 1].tolist() == [[-1, -1, -1], [0, 1, 0]]
    assert alike([numbered(3)])[0].keyframes is None


@pytest.mark.parametrize("time_s", [-0.1, 0.25, float("nan")])
def test_a_keyframe_outside_the_speech_is_one_line(time_s):
    with pytest.raises(InputError, match=r"^keyframe of the head at .* s: need .* 0 to 0.24 s$"):
        numbered(6).with_keyframes(head=[0.1, time_s])
