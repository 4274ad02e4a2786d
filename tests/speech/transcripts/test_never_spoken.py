"""Sounds, music and speakers' names are removed from transcripts; text that may be spoken stays."""

import pytest

from ksdiff_jax.speech.transcripts.never_spoken import is_silence, spoken_text, without_names

LINES = {
    "[Music]": "",
    "[SOFT\nMUSIC] Hello": "Hello",
    "a [laughs [loudly]] b": "a b",
    "[ __ ] you": "you",
    "【拍手】こんにちは": "こんにちは",
    "(laughs)": "",
    "(laughs) Hello.": "Hello.",
    "Hello. (sighs)": "Hello.",
    "（笑）はい": "はい",
    "*sighs*": "",
    "♪ ♪": "",
    "♪ upbeat music ♪": "",
    "♪ la la la ♪": "la la la",
    "- Hello.\n- Hi.": "Hello.\nHi.",
    "-Hello.": "Hello.",
    ">> Hello.": "Hello.",
    ">> ADA: Hello.": "Hello.",
    ">> Ada Byron: hello": "hello",
    "JOHN: Yes.": "Yes.",
    "MAN #2:\nYes.": "Yes.",
    "Speaker 1: Yes.": "Yes.",
    "[SPEAKER_00]: Yes.": "Yes.",
    "...": "",
    "- (laughs)\n- (sighs) Well.": "Well.",
    "JOHN: (laughs) Well.": "Well.",
    "JOHN (on phone): Well.": "Well.",
    "# Happy birthday #": "Happy birthday",
    # Spoken, or not surely unspoken.
    "Yes (and I mean it) now": "Yes (and I mean it) now",
    "(Well, that was wrong.)": "(Well, that was wrong.)",
    "Note: this stays": "Note: this stays",
    "OK: let's go": "OK: let's go",
    "WARNING: DO NOT ENTER": "WARNING: DO NOT ENTER",
    "At 10:30: -5 degrees": "At 10:30: -5 degrees",
    "-5 degrees": "-5 degrees",
    "one * two * three": "one * two * three",
}


@pytest.mark.parametrize(("written", "said"), LINES.items(), ids=LINES)
def test_only_what_is_spoken_stays(written, said):
    assert spoken_text(written) == said


def test_labels_of_silence_are_no_words():
    assert all(map(is_silence, ["", "sil", "SIL", "sp", "<p:>", "<unk>", "[noise]", "{LG}", " # "]))
    assert not any(map(is_silence, ["silence", "silent", "so", "a<b", "pause"]))


def test_names_before_every_line_are_no_words_but_a_list_is():
    meeting = [
        "Jane Doe: Good morning.",
        "John O'Neil (Guest): Hi, at 10:30 we start.",
        "Jane Doe: Fine.",
    ]
    assert without_names(meeting) == ["Good morning.", "Hi, at 10:30 we start.", "Fine."]
    for spoken in (
        ["First: a.", "Second: b.", "Third: c."],
        [*meeting, "Well."],
        ["Note: a.", "Note: b."],
    ):
        assert without_names(spoken) == spoken
