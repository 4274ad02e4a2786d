"""Open Sound Control 1.0: messages with texts, integers and floats, and their bundles.

Everything is big-endian. Texts end with a zero byte and are filled with zeros to a multiple of four
bytes. A bundle's elements follow their lengths; a time tag of 1 means "at once".
"""

import struct
from collections.abc import Iterable

_AT_ONCE = 1


def message(address: str, *values: str | int | float) -> bytes:
    """Return one message."""
    tags = "," + "".join(
        "s" if isinstance(v, str) else "i" if isinstance(v, int) else "f" for v in values
    )
    return _text(address) + _text(tags) + b"".join(map(_value, values))


def bundle(messages: Iterable[bytes]) -> bytes:
    """Return one bundle of messages."""
    parts = (struct.pack(">i", len(part)) + part for part in messages)
    return _text("#bundle") + struct.pack(">Q", _AT_ONCE) + b"".join(parts)


def _value(value: str | int | float) -> bytes:
    if isinstance(value, str):
        return _text(value)
    return struct.pack(">i" if isinstance(value, int) else ">f", value)


def _text(text: str) -> bytes:
    data = text.encode()
    return data + bytes(4 - len(data) % 4)
