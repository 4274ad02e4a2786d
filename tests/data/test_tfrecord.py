"""TFRecord framing against a CRC32C computed here from its polynomial, and files with single
faults.
"""

import struct

import numpy as np
import pytest

from ksdiff_jax.data.tfrecord import (
    frame,
    index_path,
    masked_crc32c,
    read_index,
    read_tfrecord,
    write_tfrecord,
)
from ksdiff_jax.errors import InputError


def crc32c(data: bytes) -> int:
    """Castagnoli's polynomial, reflected, one bit at a time."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32


def test_the_oracle_knows_the_published_check_value():
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("data", [b"", b"a", b"123456789", bytes(range(256)) * 5])
def test_the_checksum_is_the_masked_castagnoli_crc(data):
    assert masked_crc32c(data) == masked(data)


def test_a_frame_is_laid_out_as_tensorflow_does():
    data = b"some record"
    length = struct.pack("<Q", len(data))
    expected = length + struct.pack("<I", masked(length)) + data + struct.pack("<I", masked(data))
    assert frame(data) == expected


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.tfrecord"
    records = [bytes([i]) * (10 * i) for i in range(5)]
    assert write_tfrecord(path, records) == 5
    return path, records


def test_records_read_back_and_the_index_is_only_a_shortcut(file):
    path, records = file
    assert list(read_tfrecord(path)) == records
    with_index = read_index(path)
    index_path(path).unlink()
    np.testing.assert_array_equal(read_index(path), with_index)
    assert list(read_tfrecord(path)) == records


def test_a_stale_index_is_not_believed(file):
    path, _ = file
    path.write_bytes(path.read_bytes() + frame(b"one more"))
    assert list(read_tfrecord(path))[-1] == b"one more"


def test_every_flipped_byte_is_found_and_its_record_named(file):
    path, records = file
    sound = path.read_bytes()
    offset = 3 * 16 + len(b"".join(records[:3]))  # of record 3
    for position in range(offset, offset + 16 + 30):
        damaged = bytearray(sound)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=rf"a\.tfrecord: record 3 at byte {offset} "):
            list(read_tfrecord(path))
    path.write_bytes(sound)
    assert list(read_tfrecord(path)) == records


def test_a_truncated_file_names_the_record_where_it_ends(file):
    path, records = file
    path.write_bytes(path.read_bytes()[:-5])
    reader = iter(read_tfrecord(path))
    assert [next(reader) for _ in range(4)] == records[:4]
    with pytest.raises(InputError, match="record 4 at byte 124 is cut off"):
        next(reader)


def test_a_failure_while_writing_leaves_nothing_behind(tmp_path):
    def records():
        yield b"one"
        raise RuntimeError("the source died")

    with pytest.raises(RuntimeError):
        write_tfrecord(tmp_path / "a.tfrecord", records())
    assert not list(tmp_path.iterdir())


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.tfrecord: no such shard"):
        read_index(tmp_path / "none.tfrecord")
