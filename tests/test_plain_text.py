"""Names of any bytes on a terminal and in JSON."""

import json
import math
import os
import unicodedata

import pytest

from ksdiff_jax.plain_text import json_text, one_line, printable, shortened


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name.wav", "plain name.wav"),
        ("日本 😀 e\u0301 %s {} $x$ \\frac <b>.wav", "日本 😀 e\u0301 %s {} $x$ \\frac <b>.wav"),
        ("👩\u200d💻 می\u200cخواهم", "👩\u200d💻 می\u200cخواهم"),  # joiners are part of the letters
        (os.fsdecode(b"caf\xe9"), r"caf\xe9"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
        ("rtl\u202egnp.wav", r"rtl\u202egnp.wav"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("\ud800", r"\ud800"),
        ("", ""),
    ],
)
def test_what_is_shown_of_a_name_is_one_line_that_no_terminal_obeys(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown
    assert len(shown.splitlines()) <= 1
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cs", "Zl", "Zp"}


def test_the_lines_of_a_message_are_joined_and_the_spaces_of_a_name_are_kept():
    assert (
        one_line("two  spaces.wav: bad\n  header\r\n(at 3)\n")
        == "two  spaces.wav: bad header (at 3)"
    )


def test_a_long_text_keeps_its_start():
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"


NAMES = [
    b"caf\xe9.wav",
    b"\xff\xfe",
    "日本😀".encode(),
    b"a\nb\x1b",
    b'q"\\',
    b"\xed\xa0\xbd\xed\xb8\x80",
]


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_json_is_utf_8_and_gives_back_the_name_that_opens_the_file(name, ascii_only):
    text = json_text(
        {"files": [os.fsdecode(name)], os.fsdecode(name): 1}, indent=1, ascii_only=ascii_only
    )
    read = json.loads(text.encode("ascii" if ascii_only else "utf-8"))
    assert os.fsencode(read["files"][0]) == name
    assert [os.fsencode(key) for key in read] == [b"files", name]


def test_what_is_not_finite_is_null_in_json():
    def refuse(constant):
        raise ValueError(constant)

    value = {
        "a": math.nan,
        "b": [1.5, math.inf, (-math.inf,)],
        "c": {"d": math.nan, "e": True, "f": None, "g": 3},
    }
    read = json.loads(json_text(value), parse_constant=refuse)
    assert read == {
        "a": None,
        "b": [1.5, None, [None]],
        "c": {"d": None, "e": True, "f": None, "g": 3},
    }
