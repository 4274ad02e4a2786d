"""Decodes the bytes of a text file.

UTF-8 is read with or without a byte-order mark, UTF-16 and UTF-32 with one. UTF-16 without a mark
is detected by its zero bytes. Anything else is refused: eight-bit code pages cannot be
distinguished from each other, and a wrong guess would change the words. Documents that merely
contain text (PDF, Word, RTF, web pages) and recordings are also refused.

Line ends become newlines. Composed and decomposed characters are normalised to one form (NFC).
Control characters, byte-order marks inside the text, zero-width spaces, soft hyphens and
directional marks are removed. The joiners of Persian and Indic scripts are kept, because they are
part of the spelling.
"""

import codecs
import re
import unicodedata
from pathlib import Path

from ksdiff_jax.errors import InputError

# Signatures of files that are not text, or that contain text in a format of their own.
_FOREIGN = {
    b"%PDF": "a PDF document",
    b"{\\rtf": "an RTF document",
    b"PK\x03\x04": "a zipped document (docx, odt, zip)",
    b"\xd0\xcf\x11\xe0": "an old Office document (doc)",
    b"\x1f\x8b": "compressed (gzip)",
    b"ooBinaryFile": "Praat's binary form",
    b"RIFF": "a recording (RIFF)",
    b"ID3": "a recording (mp3)",
    b"OggS": "a recording (Ogg)",
    b"fLaC": "a recording (FLAC)",
    b"\x1a\x45\xdf\xa3": "a recording (Matroska)",
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"SQLite format 3": "a database",
}
_WEB_PAGE = re.compile(rb"\s*(?:<!doctype html|<html\b)", re.IGNORECASE)
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark is a prefix of this one
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# The share of zero bytes at every second position that indicates UTF-16: one character in ten is
# ASCII.
LEAST_ZEROS = 0.1

_INVISIBLE = dict.fromkeys(
    [
        *(code for code in range(0x20) if code not in (0x09, 0x0A)),
        *range(0x7F, 0xA0),
        0xAD,
        0x200B,
        0x200E,
        0x200F,
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        0xFEFF,
        0xFFFC,
    ]
) | dict.fromkeys((0x0B, 0x0C, 0x85, 0x2028, 0x2029), " ")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def read_text(path: Path) -> str:
    """Return the decoded and normalised text of a file; raise `InputError` if its bytes are not
    text.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if kind := next((kind for start, kind in _FOREIGN.items() if data.startswith(start)), None):
        raise InputError(
            f"{path}: {kind}, not a text file; save the spoken words as plain text in UTF-8"
        )
    if data[4:8] == b"ftyp":
        raise InputError(
            f"{path}: a recording (mp4), not a text file; save the words as plain text in UTF-8"
        )
    if _WEB_PAGE.match(data):
        raise InputError(
            f"{path}: a web page, not a transcript; save the words as plain text in UTF-8"
        )
    encoding, mark = _encoding(data)
    body = data[mark:]
    if encoding == "utf-8":
        body = body.rstrip(b"\x00")  # a file padded to a fixed size
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.upper().removesuffix("-LE").removesuffix("-BE")
        raise InputError(
            f"{path}: not {name} text (byte {mark + error.start}); save it as UTF-8, from "
            "Windows' Western code page for instance with iconv -f CP1252 -t UTF-8"
        ) from error
    return clean(text)


def clean(text: str) -> str:
    """Normalise text: newlines, NFC, no invisible characters, no unpaired surrogates."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_INVISIBLE)
    return unicodedata.normalize("NFC", _LONE_SURROGATE.sub("\ufffd", text))


def _encoding(data: bytes) -> tuple[str, int]:
    """Return the encoding's name, and the length of the byte-order mark."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return encoding, len(mark)
    zeros = [data[first::2].count(0) for first in (0, 1)]
    least = LEAST_ZEROS * len(data) / 2
    if len(data) % 2 == 0 and max(zeros) > least > 10 * min(zeros):
        return ("utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"), 0
    return "utf-8", 0
