"""TFRecord files: written whole or not at all, read at random and never without their checksums.

A record is framed as TensorFlow does it, so every TFRecord reader can read these files:

    uint64 length | uint32 masked_crc32c(length) | data | uint32 masked_crc32c(data)
    masked(c) = ((c >> 15) | (c << 17)) + 0xa282ead8   mod 2^32,   all little-endian

Beside `name.tfrecord` lies `name.index`: little-endian uint64 pairs (offset of the frame, length of
the data), one per record, for random access. Without an index, or with one that does not fit the
file, the frames are walked, which is said, and the index is written anew where the folder can be
written and no other program's index has its name.

Files on this machine are read by `pread` where there is one; paths such as `gs://bucket/folder`
through epath and fsspec.
"""

import os
import struct
import warnings
from collections.abc import Iterable
from pathlib import Path

import google_crc32c
import numpy as np
from etils import epath

from ksdiff_jax.errors import InputError, Notice
from ksdiff_jax.files import replacing
from ksdiff_jax.typing import Int

HEADER = struct.Struct("<QI")
FOOTER = struct.Struct("<I")
FRAME_BYTES = HEADER.size + FOOTER.size


class DataWarning(Notice):
    """Something about a data set that was repaired or left out; a run goes on."""


def masked_crc32c(data: bytes) -> int:
    """CRC32C of `data`, masked so that checksums of data that hold checksums stay sound."""
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def frame(data: bytes) -> bytes:
    """One record as it lies in the file."""
    length = struct.pack("<Q", len(data))
    return length + FOOTER.pack(masked_crc32c(length)) + data + FOOTER.pack(masked_crc32c(data))


def index_path(path: str | Path | epath.Path) -> epath.Path:
    """Where the index of a TFRecord file lies."""
    return epath.Path(path).with_suffix(".index")


def write_tfrecord(path: str | Path, records: Iterable[bytes]) -> int:
    """Write records and their index; both appear only when complete.

    Returns the number of records.
    """
    entries = []
    with replacing(path) as temporary, temporary.open("wb") as file:
        for data in records:
            entries.append((file.tell(), len(data)))
            file.write(frame(data))
    with replacing(Path(index_path(path))) as temporary:
        np.array(entries, "<u8").reshape(-1, 2).tofile(temporary)
    return len(entries)


def read_index(path: str | Path | epath.Path) -> Int[np.ndarray, "n 2"]:
    """(offset, length) of every record of a TFRecord file, from its index or by walking its
    frames.
    """
    entries, damage = find_records(path)
    if damage is not None:
        raise InputError(damage)
    return entries


def find_records(path: str | Path | epath.Path) -> tuple[Int[np.ndarray, "n 2"], str | None]:
    """(offset, length) of the records that can be found, and what is wrong with the file where they
    end, if anything.

    An index that is missing or stale is rebuilt with a `DataWarning`.
    """
    path, index = epath.Path(path), index_path(path)
    if not path.exists():
        raise InputError(
            f"{path}: no such shard; the data set is incomplete, make or copy it again"
        )
    size = path.stat().length
    stored = index.read_bytes() if index.exists() else None
    if stored is not None and len(stored) % 16 == 0:
        entries = np.frombuffer(stored, "<u8").reshape(-1, 2).astype(np.int64)
        starts, ends = entries[:, 0], entries.sum(axis=1) + FRAME_BYTES
        if np.array_equal(np.append(starts, size), np.insert(ends, 0, 0)):
            return entries, None
    entries, damage = _walk(path, size=size)
    if damage is None:
        fault = "missing" if stored is None else "stale"
        # ours begins with the offset of the first record, which is 0
        if stored and not stored.startswith(bytes(8)):
            written = "not written, as another program's file has this name"
        else:
            written = (
                "written anew"
                if _write_index(index, entries)
                else "not written, its folder is read-only"
            )
        warnings.warn(
            f"{index}: {fault}; rebuilt from the records, {written}", DataWarning, stacklevel=3
        )
    return entries, damage


def read_record(path: str | Path | epath.Path, *, number: int, offset: int, length: int) -> bytes:
    """One record by its index entry, with both checksums verified."""
    header, data, footer = _frame_at(str(path), offset, length)
    found = len(header) + len(data) + len(footer)
    if found < length + FRAME_BYTES:
        fault = f"is cut off: {found} of {length + FRAME_BYTES} bytes"
    else:
        stated, length_crc = HEADER.unpack(header)
        (data_crc,) = FOOTER.unpack(footer)
        if (
            stated == length
            and length_crc == masked_crc32c(header[:8])
            and data_crc == masked_crc32c(data)
        ):
            return data
        fault = "is damaged (its checksum does not match)"
    raise InputError(f"{path}: record {number} at byte {offset} {fault}; copy the file again")


def read_tfrecord(path: str | Path | epath.Path) -> Iterable[bytes]:
    """Every record of a file in order, checksums verified, up to the first fault."""
    entries, damage = find_records(path)
    for number, (offset, length) in enumerate(entries):
        yield read_record(path, number=number, offset=int(offset), length=int(length))
    if damage is not None:
        raise InputError(damage)


def _frame_at(path: str, offset: int, length: int) -> tuple[bytes, bytes, bytes]:
    """Header, data and footer of the frame at a byte, as far as the file goes."""
    end = HEADER.size + length
    if "://" in path or not hasattr(os, "pread"):  # Windows has none
        with epath.Path(path).open("rb") as file:
            file.seek(offset)
            frame_bytes = file.read(length + FRAME_BYTES)
        return frame_bytes[: HEADER.size], frame_bytes[HEADER.size : end], frame_bytes[end:]
    # Three reads rather than one that would be cut up: a clip is copied once, not twice. Paths and
    # file objects would cost as much as the reading.
    handle = os.open(path, os.O_RDONLY)
    try:
        header = os.pread(handle, HEADER.size, offset)
        data = os.pread(handle, length, offset + HEADER.size)
        return header, data, os.pread(handle, FOOTER.size, offset + end)
    finally:
        os.close(handle)


def _write_index(index: epath.Path, entries: Int[np.ndarray, "n 2"]) -> bool:
    """Whether it could be written; several processes may do so at once, each replaces the whole
    file.
    """
    data = entries.astype("<u8").tobytes()
    try:
        if "://" in str(index):
            index.write_bytes(data)
        else:
            with replacing(Path(index)) as temporary:
                temporary.write_bytes(data)
    except (OSError, InputError):
        return False
    return True


def _walk(path: epath.Path, *, size: int) -> tuple[Int[np.ndarray, "n 2"], str | None]:
    """The records up to the first frame whose header is damaged or that goes beyond the file, and
    that fault.
    """
    entries, offset, damage = [], 0, None
    with path.open("rb") as file:
        while offset < size and damage is None:
            file.seek(offset)
            header = file.read(HEADER.size)
            where = f"{path}: record {len(entries)} at byte {offset}"
            length, crc = HEADER.unpack(header) if len(header) == HEADER.size else (size, 0)
            if len(header) < HEADER.size:
                damage = f"{where} is cut off; copy the file again"
            elif crc != masked_crc32c(header[:8]):
                damage = (
                    f"{where} is damaged (the checksum of its length does not match); copy "
                    "the file again"
                )
            elif offset + length + FRAME_BYTES > size:
                damage = (
                    f"{where} is cut off: {size - offset} of {length + FRAME_BYTES} bytes; "
                    "copy the file again"
                )
            else:
                entries.append((offset, length))
            offset += length + FRAME_BYTES
    return np.array(entries, np.int64).reshape(-1, 2), damage
