"""Bytes to text: encodings with and without marks, forms of characters, and files that are not
text.
"""

import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.encoding import read_text
from ksdiff_jax.speech.transcripts.read import read_transcript


@pytest.mark.parametrize(
    "text", ["Hello world", "Привет мир, 12", "1\n00:00:01,000 --> 00:00:02,000\n你好\n", "é" * 7]
)
@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "mark utf-16-be"],
)
def test_unicode_is_read_in_every_form(text, encoding, tmp_path):
    if text.startswith("é") and encoding in ("utf-16-le", "utf-16-be"):
        text += " and a space"
    mark = b"\xfe\xff" if encoding.startswith("mark") else b""
    data = mark + text.encode(encoding.removeprefix("mark "))
    (tmp_path / "a.txt").write_bytes(data)
    assert read_text(tmp_path / "a.txt") == text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("cafe\u0301", "café"),
        ("\u200fשלום\u200b \u202bx\u202c", "שלום x"),
        ("a\x07b\x00c soft\u00adhy\ufeffphen", "abc softhyphen"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("one\u2028two\x0bthree", "one two three"),
        ("filled up\x00\x00\x00", "filled up"),
    ],
)
def test_a_text_has_one_form_and_nothing_invisible(written, said, tmp_path):
    (tmp_path / "a.txt").write_text(written, encoding="utf-8")
    assert read_transcript(tmp_path / "a.txt").text == said


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"caf\xe9 au lait", r"not UTF-8 text \(byte 3\); save it as UTF-8"),
        (b"\xff\xfea\x00b", r"not UTF-16 text \(byte 4\)"),
        (b"{\\rtf1\\ansi Hello}", "an RTF document"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"PK\x03\x04\x14\x00", "a zipped document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Office document"),
        (b"RIFF\x24\x00\x00\x00WAVE", "a recording"),
        (b"\x00\x00\x00\x20ftypisom", "a recording"),
        (b"ooBinaryFile\x08TextGrid\x00\xff", "Praat's binary form"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"", "an empty file"),
        (b"\xef\xbb\xbf \r\n", "an empty file"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.lab", "a.srt", "a.TextGrid", "a.json"])
def test_what_is_no_text_is_named_as_what_it_is(data, sentence, name, tmp_path):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=sentence) as caught:
        read_transcript(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)
