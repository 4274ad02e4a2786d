"""TFRecord files: written completely or not at all, read at random, always with verified checksums.

A record is framed as in TensorFlow, so every TFRecord reader can read these files:

    uint64 length | uint32 masked_crc32c(length) | data | uint32 masked_crc32c(data)
    masked(c) = ((c >> 15) | (c << 17)) + 0xa282ead8   mod 2^32,   all little-endian

Beside `name.tfrecord` is `name.index`: little-endian uint64 pairs (offset of the frame, length of
the data), one per record, for random access. If there is no index, or one that does not match the
file, the frames are scanned with a warning. The index is then rewritten if the folder is writable
and the name is not used by another program's index.

Local files are read by `pread` if the platform has it; paths such as `gs://bucket/folder` are read
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
    """Something in a data set was repaired or left out; the run continues."""


def masked_crc32c(data: bytes) -> int:
    """Return the CRC32C of `data`, masked so that checksums of data that contain checksums stay
    valid.
    """
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def frame(data: bytes) -> bytes:
    """Return one record as stored in the file."""
    length = struct.pack("<Q", len(data))
    return length + FOOTER.pack(masked_crc32c(length)) + data + FOOTER.pack(masked_crc32c(data))


def index_path(path: str | Path | epath.Path) -> epath.Path:
    """Return the path of the index of a TFRecord file."""
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
    """Return (offset, length) of every record of a TFRecord file, from its index or by scanning its
    frames.
    """
    entries, damage = find_records(path)
    if damage is not None:
        raise InputError(damage)
    return entries


def find_records(path: str | Path | epath.Path) -> tuple[Int[np.ndarray, "n 2"], str | None]:
    """Return (offset, length) of the records that can be found, and the fault at which they end, if
    any.

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
    entries, damage = _scan_frames(path, size=size)
    if damage is None:
        fault = "missing" if stored is None else "stale"
        # our index begins with the offset of the first record, which is 0
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
    """Return one record by its index entry, with both checksums verified."""
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
    """Yield every record of a file in order, checksums verified, up to the first fault."""
    entries, damage = find_records(path)
    for number, (offset, length) in enumerate(entries):
        yield read_record(path, number=number, offset=int(offset), length=int(length))
    if damage is not None:
        raise InputError(damage)


def _frame_at(path: str, offset: int, length: int) -> tuple[bytes, bytes, bytes]:
    """Return header, data and footer of the frame at a byte offset, up to the end of the file."""
    end = HEADER.size + length
    if "://" in path or not hasattr(os, "pread"):  # not available on Windows
        with epath.Path(path).open("rb") as file:
            file.seek(offset)
            frame_bytes = file.read(length + FRAME_BYTES)
        return frame_bytes[: HEADER.size], frame_bytes[HEADER.size : end], frame_bytes[end:]
    # Three reads instead of one that would have to be split: a clip is copied once, not twice. Path
    # and file objects would take as long as the reading.
    handle = os.open(path, os.O_RDONLY)
    try:
        header = os.pread(handle, HEADER.size, offset)
        data = os.pread(handle, length, offset + HEADER.size)
        return header, data, os.pread(handle, FOOTER.size, offset + end)
    finally:
        os.close(handle)


def _write_index(index: epath.Path, entries: Int[np.ndarray, "n 2"]) -> bool:
    """Write the index and return whether that succeeded; several processes may do so at once, and
    each replaces the whole file.
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


def _scan_frames(path: epath.Path, *, size: int) -> tuple[Int[np.ndarray, "n 2"], str | None]:
    """Return the records up to the first frame whose header is damaged or that extends beyond the
    file, and that fault.
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
