"""Converts external names and texts for a terminal, a picture or JSON.

A file name on Linux may be any bytes. Python represents bytes that are not UTF-8 as lone surrogates
(U+DC80 to U+DCFF), which no encoder accepts. A name may also contain newlines, terminal escape
sequences, and marks that change the direction of writing.

| | byte 0xE9 that is not UTF-8 | newline | escape | everything else |
|---|---|---|---|---|
| `printable`: terminals, plots | `\\xe9` | `\\n` | `\\x1b` | as it is |
| `json_text`: files and `--json` | `"\\udce9"` | `"\\n"` | `"\\u001b"` | as it is |

JSON preserves the name exactly: Python's `json.loads` returns the string that opens the file.
"""

import json
import math
import os
import re
from collections.abc import Mapping

# Control characters (C0, delete, C1), line and paragraph separators, overrides of the writing
# direction, surrogates.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    """Return `text` in one line of characters that every encoder accepts and no terminal
    interprets.
    """
    return _UNPRINTABLE.sub(_escaped, text)


def one_line(text: str) -> str:
    """Return `text` with its lines joined by spaces, and made `printable`."""
    return printable(re.sub(r"\s*[\r\n]\s*", " ", text.strip()))


def shortened(text: str, limit: int) -> str:
    """Return `text`, or its start and an ellipsis if it has more than `limit` characters."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def fitting(name: str, *, max_bytes: int) -> str:
    """Return a file name, or its start of at most `max_bytes` bytes; no character is split."""
    while len(os.fsencode(name)) > max_bytes:
        name = name[:-1]
    return name


def json_text(
    value: object, *, indent: int | None = None, ascii_only: bool = False, strict: bool = True
) -> str:
    """Return `value` as JSON that is valid UTF-8: lone surrogates are escaped, NaN and infinity
    become null.

    With `strict=False` NaN and infinity stay in Python's notation, for files that only this package
    reads.
    """
    text = json.dumps(_finite(value) if strict else value, indent=indent, ensure_ascii=ascii_only)
    return _SURROGATE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _escaped(match: re.Match) -> str:
    code = ord(match.group())
    if 0xDC80 <= code <= 0xDCFF:  # a byte in Python's "surrogateescape" encoding
        return f"\\x{code - 0xDC00:02x}"
    return match.group().encode("unicode_escape").decode("ascii")


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
