"""Utterances, padding and cutting: zeros and masks at the right places."""

import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME as FRAME
from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.reading import read_utterance
from ksdiff_jax.speech.spoken_parts import Piece, SpokenText
from ksdiff_jax.speech.transcript import encode
from ksdiff_jax.speech.transcripts.spoken_words import (
    Spoken,
    Transcript,
    TranscriptFileWarning,
)
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


def test_a_cut_holds_the_frames_of_its_window_and_the_words_spoken_in_them():
    middles_s = (-0.5, 0.05, 0.1, 0.19, 0.3)  # frames 2 to 5 are 0.08 to 0.2 s
    pieces = tuple(Piece(f"{'abcde'[i]} ", middle) for i, middle in enumerate(middles_s))
    said = numbered(6)._replace(spoken=SpokenText("A b c d e", pieces), tokens=np.zeros(12, int))
    cut = cut_utterance(said, 2, 5)
    assert cut.frames == 3
    assert (cut.audio[0], cut.audio[-1]) == (2 * FRAME + 1, 5 * FRAME)
    np.testing.assert_array_equal(cut.prosody[:, 0], np.arange(5, 11))
    np.testing.assert_array_equal(cut.features[:, 0], np.arange(5, 11))
    for start, stop, text in ((2, 5, "c d"), (0, 2, "a b"), (5, 6, "e"), (0, 6, "A b c d e")):
        cut, (tokens, mask) = cut_utterance(said, start, stop), encode(text, max_tokens=12)
        assert (cut.tokens == tokens).all() and (cut.token_mask == mask).all()


def test_rows_are_stacked_and_features_may_be_missing():
    rows = [pad_utterance(numbered(n, features=False), 4) for n in (1, 3)]
    batch = stack_rows(rows)
    assert batch.features is None and batch.audio.shape == (2, 2560)
    assert batch.mask.sum(axis=1).tolist() == [1, 3]


def test_words_that_begin_after_the_recording_are_left_out_with_a_warning():
    sound = np.sin(np.arange(16_000) / 20).astype(np.float32)
    late = Transcript("in out", "f", "word", (Spoken("in", 0.1, 0.4), Spoken("out", 3.0, 3.2)))
    with pytest.warns(TranscriptFileWarning, match="1 of 2 words begin after the end"):
        read = read_utterance(sound, transcript=late, max_tokens=16, sample_rate_hz=16_000)
    np.testing.assert_array_equal(read.tokens, encode("in", max_tokens=16)[0])


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
