"""Encodes records of data sets as `tf.train.Example` protocol buffers, without TensorFlow or TFDS.

    message Example   { Features features = 1; }
    message Features  { map<string, Feature> feature = 1; }    an entry of a map: key = 1, value = 2
    message Feature   { oneof { BytesList = 1; FloatList = 2; Int64List = 3; } }
    message BytesList { repeated bytes value = 1; }
    message FloatList { repeated float value = 1 [packed]; }

A message is a sequence of fields, each a tag (field number · 8 + wire type), a length and that many
bytes. Numbers are varints of seven bits a byte, the lowest first. This module writes only scalars,
byte strings and floats, and reads the first value of each list. Unknown fields are skipped, as the
format requires.
"""

import struct
from collections.abc import Mapping

_FLOAT = struct.Struct("<f")
_VARINT, _FIXED_64, _DELIMITED, _FIXED_32 = 0, 1, 2, 5  # wire types
_FIXED_BYTES = {_FIXED_64: 8, _FIXED_32: 4}
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3  # fields of a Feature
_LONGEST_VARINT = 10  # bytes


def encode_example(values: Mapping[str, bytes | str | float]) -> bytes:
    """Return the Example with one value under each name, in the order of the names; equal values
    give equal bytes.
    """
    entries = (
        _field(1, _field(1, name.encode()) + _field(2, _feature(values[name])))
        for name in sorted(values)
    )
    return _field(1, b"".join(entries))


def decode_example(record: bytes) -> dict[str, bytes | float]:
    """Return the first value under each name that has one; raise `ValueError` if the bytes are not
    such a message.
    """
    values: dict[str, bytes | float] = {}
    for features in _contents(record, 0, len(record), number=1):
        for entry in _contents(record, *features, number=1):
            name, feature = None, (0, 0)
            for number, wire, start, end in _fields(record, *entry):
                if wire == _DELIMITED and number == 1:
                    name = record[start:end]
                elif wire == _DELIMITED and number == 2:
                    feature = start, end
            value = _first_value(record, *feature)
            if name is not None and value is not None:
                values[name.decode()] = value
    return values


def _feature(value: bytes | str | float) -> bytes:
    if isinstance(value, bytes | str):
        return _field(_BYTES_LIST, _field(1, value.encode() if isinstance(value, str) else value))
    return _field(_FLOAT_LIST, _field(1, _FLOAT.pack(value)))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _DELIMITED) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def _first_value(record: bytes, start: int, end: int) -> bytes | float | None:
    """Return the first value in the list of a Feature; its last field counts, as in any `oneof`."""
    found: bytes | float | None = None
    for kind, wire, first, last in _fields(record, start, end):
        if wire != _DELIMITED or kind not in (_BYTES_LIST, _FLOAT_LIST, _INT64_LIST):
            continue
        found = None
        for number, inner, begin, stop in _fields(record, first, last):
            if number != 1 or kind == _INT64_LIST:
                continue
            if kind == _BYTES_LIST and inner == _DELIMITED:
                found = record[begin:stop]
                break
            if kind == _FLOAT_LIST and inner in (_DELIMITED, _FIXED_32) and stop > begin:
                (found,) = _FLOAT.unpack_from(record[begin:stop])
                break
    return found


def _contents(record: bytes, start: int, end: int, *, number: int) -> list[tuple[int, int]]:
    """Return the positions of the messages that a message contains in this field."""
    return [
        (first, last)
        for found, wire, first, last in _fields(record, start, end)
        if found == number and wire == _DELIMITED
    ]


def _fields(record: bytes, start: int, end: int) -> list[tuple[int, int, int, int]]:
    """Return number, wire type, start and end of the content of each field of the message between
    two positions.
    """
    fields, position = [], start
    while position < end:
        tag, position = record[position], position + 1
        if tag > 0x7F:  # of an unknown field
            tag, position = _read_varint(record, position - 1, end)
        wire = tag & 7
        if wire == _DELIMITED:
            length, position = _read_varint(record, position, end)
        elif wire == _VARINT:
            length = _read_varint(record, position, end)[1] - position
        elif wire in _FIXED_BYTES:
            length = _FIXED_BYTES[wire]
        else:
            raise ValueError(f"wire type {wire} at byte {position}")
        if length > end - position:
            raise ValueError(f"a field of {length} bytes where {end - position} are left")
        fields.append((tag >> 3, wire, position, position + length))
        position += length
    return fields


def _read_varint(record: bytes, position: int, end: int) -> tuple[int, int]:
    """Return the number at a position, and the position after it."""
    number = shift = 0
    while position < end and shift < 7 * _LONGEST_VARINT:
        byte = record[position]
        position += 1
        if byte < 0x80:
            return number | byte << shift, position
        number |= (byte & 0x7F) << shift
        shift += 7
    raise ValueError(f"a number is cut off, or too long, before byte {position}")
