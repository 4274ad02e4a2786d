"""The text of a window: exact words by hand, pauses, characters, what does not fit."""

import numpy as np
import pytest

from ksdiff_jax.speech.spoken_parts import part_between, spoken_text
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript

LOUD, QUIET = -2.0, -9.0  # log energy


def energy(*parts: tuple[float, float]) -> np.ndarray:
    """Log energy at 50 Hz of (level, seconds) in a row."""
    return np.concatenate([np.full(round(50 * seconds), level) for level, seconds in parts])


def untimed(text: str, *parts: tuple[float, float]):
    return spoken_text(Transcript(text, ""), energy(*parts))


def text_between(spoken, start_s: float, end_s: float, max_bytes: int = 126) -> str:
    return part_between(spoken, start_s, end_s, max_bytes=max_bytes).text


def test_words_with_times_belong_to_the_windows_that_hold_their_middle():
    words = tuple(Spoken(f"w{i}", float(i), i + 0.8) for i in range(6))
    spoken = spoken_text(Transcript("W0, w1 w2 w3 w4 w5!", "", "word", words), energy((LOUD, 6)))
    assert text_between(spoken, 0.0, 6.0) == "W0, w1 w2 w3 w4 w5!"
    assert text_between(spoken, 0.0, 3.4) == "w0 w1 w2"  # the middle of w3 is at 3.4 s
    assert text_between(spoken, 2.4, 6.0) == "w2 w3 w4 w5"  # the overlap is in both
    assert text_between(spoken, -np.inf, 0.5) == "w0"
    assert text_between(spoken, 5.5, np.inf) == ""


def test_a_text_without_times_is_spread_over_the_speech_and_not_over_the_pauses():
    # 8 characters in 4 s of speech: a word a second, the pause from 2 to 6 s contains none
    spoken = untimed("aa bb  cc dd", (LOUD, 2), (QUIET, 4), (LOUD, 2))
    assert [piece.middle_s for piece in spoken.pieces] == pytest.approx([0.5, 1.5, 6.5, 7.5])
    assert text_between(spoken, 0.0, 2.0) == "aa bb"
    assert text_between(spoken, 2.0, 6.0) == ""
    assert text_between(spoken, 1.0, 7.0) == "bb  cc"
    even = untimed("aa bb cc dd", (QUIET, 8))  # without any speech, time itself counts
    assert [piece.middle_s for piece in even.pieces] == pytest.approx([1, 3, 5, 7])


def test_lines_are_spread_over_the_speech_within_their_times():
    lines = (Spoken("aa bb", 0.0, 4.0), Spoken("cc dd", 4.0, 6.0))
    transcript = Transcript("aa bb cc dd", "", "line", lines)
    spoken = spoken_text(transcript, energy((LOUD, 1), (QUIET, 2), (LOUD, 1), (QUIET, 2)))
    assert [piece.middle_s for piece in spoken.pieces] == pytest.approx([0.5, 3.5, 4.5, 5.5])


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("我说 话。", ["我", "说", " ", "话", "。"]),
        ("e\u0301" * 13 + " no", ["e\u0301"] * 12 + ["e\u0301 ", "no"]),  # 26 code points
        ("так и есть", ["так ", "и ", "есть"]),
        ("我用Python写", ["我", "用", "Python", "写"]),
        ("", []),
    ],
)
def test_pieces_end_at_words_or_at_whole_characters(text, pieces):
    assert [piece.text for piece in untimed(text, (LOUD, 1)).pieces] == pieces


def test_what_does_not_fit_leaves_the_words_around_the_middle_of_the_window():
    spoken = untimed("aa bb cc dd ee", (LOUD, 5))
    assert part_between(spoken, 0.0, 5.0, max_bytes=14) == ("aa bb cc dd ee", 0)
    assert part_between(spoken, 0.0, 5.0, max_bytes=13) == ("bb cc dd ee", 3)
    assert part_between(spoken, 0.0, 5.0, max_bytes=8) == ("bb cc dd", 6)
    assert part_between(spoken, 0.0, 2.0, max_bytes=4).text in ("aa", "bb")
    assert part_between(spoken, -np.inf, np.inf, max_bytes=2) == ("cc", 12)
    assert part_between(spoken, 0.0, 5.0, max_bytes=0).left_out == 14
    bytes_of_two = untimed("市" * 40, (LOUD, 4))
    assert part_between(bytes_of_two, 0.0, 4.0, max_bytes=8) == ("市市", 114)


def test_a_text_shorter_or_longer_than_the_speech_keeps_its_words_in_order():
    for text in ("one", " ".join(["word"] * 500), ""):
        spoken = untimed(text, (QUIET, 1), (LOUD, 1), (QUIET, 1))
        middles = [piece.middle_s for piece in spoken.pieces]
        assert middles == sorted(middles) and all(1 < middle < 2 for middle in middles)
        assert "".join(piece.text for piece in spoken.pieces) == text
