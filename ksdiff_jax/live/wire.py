"""Protocol Buffers on the wire: fields as their number, kind and content.

A field is a varint `number << 3 | kind`, then its content: kind 0 a varint, 1 eight bytes, 2 a
varint length and that many bytes (texts, messages, packed numbers), 5 four bytes. Varints have
seven bits a byte, the lowest first. Numbers are little-endian.
"""

import struct
from collections.abc import Iterable

import numpy as np

from ksdiff_jax.typing import Float

Content = int | bytes  # a varint, or the bytes of any other kind


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def block(number: int, *content: bytes) -> bytes:
    """Return a field of bytes: a text or a message, its parts joined."""
    joined = b"".join(content)
    return _varint(number << 3 | 2) + _varint(len(joined)) + joined


def texts(number: int, values: Iterable[str]) -> bytes:
    """Return a repeated field of texts."""
    return b"".join(block(number, value.encode()) for value in values)


def whole(number: int, value: int) -> bytes:
    """Return a field of an integer or an enumeration."""
    return _varint(number << 3) + _varint(value)


def double(number: int, value: float) -> bytes:
    """Return a field of a double."""
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def floats(number: int, values: Float[np.ndarray, "n"]) -> bytes:
    """Return a repeated field of floats, packed."""
    return block(number, np.asarray(values, "<f4").tobytes())


def single(number: int, value: float) -> bytes:
    """Return a field of a float."""
    return _varint(number << 3 | 5) + struct.pack("<f", value)


def fields(message: bytes) -> dict[int, list[Content]]:
    """Return the contents of each field of a message by number, in their order; raise `ValueError`
    if it is not one.
    """
    found: dict[int, list[Content]] = {}
    position = 0
    while position < len(message):
        tag, position = _read_varint(message, position)
        number, kind = tag >> 3, tag & 7
        content: Content
        if kind == 0:
            content, position = _read_varint(message, position)
        else:
            size = {1: 8, 5: 4}.get(kind)
            if kind == 2:
                size, position = _read_varint(message, position)
            if size is None or number == 0 or position + size > len(message):
                raise ValueError(f"no field at byte {position} of a message of {len(message)}")
            content, position = message[position : position + size], position + size
        found.setdefault(number, []).append(content)
    return found


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            break
        byte, position = message[position], position + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError(f"no number at byte {position} of a message of {len(message)}")
