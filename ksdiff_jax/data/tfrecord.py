"""TFRecord files: written whole or not at all, read at random and never without their checksums.

A record is framed as TensorFlow does it, so every TFRecord reader can read these files:

    uint64 length | uint32 masked_crc32c(length) | data | uint32 masked_crc32c(data)        (little-endian)
    masked(c) = ((c >> 15) | (c << 17)) + 0xa282ead8   mod 2^32

Beside `name.tfrecord` lies `name.index`: little-endian uint64 pairs (offset of the frame, length of the data), one
per record, for random access. Without an index, or with one that does not fit the file, the frames are walked.
"""

import os
import struct
from collections.abc import Iterable
from pathlib import Path

import google_crc32c
import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.files import replacing
from ksdiff_jax.typing import Int

HEADER = struct.Struct("<QI")
FOOTER = struct.Struct("<I")
FRAME_BYTES = HEADER.size + FOOTER.size


def masked_crc32c(data: bytes) -> int:
    """CRC32C of `data`, masked so that checksums of data that hold checksums stay sound."""
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def frame(data: bytes) -> bytes:
    """One record as it lies in the file."""
    length = struct.pack("<Q", len(data))
    return length + FOOTER.pack(masked_crc32c(length)) + data + FOOTER.pack(masked_crc32c(data))


def index_path(path: str | Path) -> Path:
    """Where the index of a TFRecord file lies."""
    return Path(path).with_suffix(".index")


def write_tfrecord(path: str | Path, records: Iterable[bytes]) -> int:
    """Write records and their index; both appear only when complete. Returns the number of records."""
    entries = []
    with replacing(path) as temporary, temporary.open("wb") as file:
        for data in records:
            entries.append((file.tell(), len(data)))
            file.write(frame(data))
    with replacing(index_path(path)) as temporary:
        np.array(entries, "<u8").reshape(-1, 2).tofile(temporary)
    return len(entries)


def read_index(path: str | Path) -> Int[np.ndarray, "n 2"]:
    """(offset, length) of every record of a TFRecord file, from its index or by walking its frames."""
    path, index = Path(path), index_path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such shard; the data set is incomplete, make or copy it again")
    size = path.stat().st_size
    if index.is_file() and index.stat().st_size % 16 == 0:
        entries = np.fromfile(index, "<u8").reshape(-1, 2).astype(np.int64)
        starts, ends = entries[:, 0], entries.sum(axis=1) + FRAME_BYTES
        if np.array_equal(np.append(starts, size), np.insert(ends, 0, 0)):
            return entries
    return _walk(path, size=size)


def read_record(path: str | Path, *, number: int, offset: int, length: int) -> bytes:
    """One record by its index entry, with both checksums verified."""
    # Three reads rather than one that would be cut up: a clip is copied once, not twice.
    with Path(path).open("rb", buffering=0) as file:
        handle = file.fileno()
        header = os.pread(handle, HEADER.size, offset)
        data = os.pread(handle, length, offset + HEADER.size)
        footer = os.pread(handle, FOOTER.size, offset + HEADER.size + length)
    where = f"{path}: record {number} at byte {offset}"
    found = len(header) + len(data) + len(footer)
    if found < length + FRAME_BYTES:
        raise InputError(f"{where} is cut off: {found} of {length + FRAME_BYTES} bytes; copy the file again")
    stated, length_crc = HEADER.unpack(header)
    (data_crc,) = FOOTER.unpack(footer)
    if stated != length or length_crc != masked_crc32c(header[:8]) or data_crc != masked_crc32c(data):
        raise InputError(f"{where} is damaged (its checksum does not match); copy the file again")
    return data


def read_tfrecord(path: str | Path) -> Iterable[bytes]:
    """Every record of a file in order, checksums verified."""
    for number, (offset, length) in enumerate(read_index(path)):
        yield read_record(path, number=number, offset=int(offset), length=int(length))


def _walk(path: Path, *, size: int) -> Int[np.ndarray, "n 2"]:
    entries, offset = [], 0
    with path.open("rb") as file:
        while offset < size:
            file.seek(offset)
            header = file.read(HEADER.size)
            where = f"{path}: record {len(entries)} at byte {offset}"
            if len(header) < HEADER.size:
                raise InputError(f"{where} is cut off; copy the file again")
            length, crc = HEADER.unpack(header)
            if crc != masked_crc32c(header[:8]):
                raise InputError(f"{where} is damaged (the checksum of its length does not match); copy the file again")
            entries.append((offset, length))
            offset += length + FRAME_BYTES
    return np.array(entries, np.int64).reshape(-1, 2)
