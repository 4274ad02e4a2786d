"""Reads the `fmt ` and `data` chunks of a WAV file, for information that FFmpeg's choice of decoder
and sizes do not give.

| magic | sizes |
|---|---|
| RIFF, RIFX | 32 bit, little- and big-endian |
| RF64, BW64 | 64 bit in the `ds64` chunk where the 32-bit one is 0xFFFFFFFF |

A sample is stored in a container of `block_align / channels` bytes, of which `bits` bits are valid.
By the specification the valid bits are the upper ones, so the container alone determines the scale.
FFmpeg chooses its decoder by the valid bits, so it decodes 24 bits in 32 as noise or not at all.

Programs that write to a pipe cannot state the size of their data and write 0, or one of the largest
numbers, instead. Such a size is None here.
"""

import struct
from pathlib import Path
from typing import NamedTuple

PCM, FLOAT, A_LAW, MU_LAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
HEADER_BYTES = 1 << 20  # the part of a file that is searched for the chunks before the data
# 0x7FFFF000 and just below or above 2**31: sox, arecord, mplayer. Just below 2**32: ffmpeg and most
# others.
UNKNOWN_SIZES = (range(0, 1), range(0x7FFFF000, 0x80000100), range(0xFFFFF000, 0x1_0000_0000))
MOST_CHUNKS = 10_000  # chunks that are read after the data
UNKNOWN_SIZE_64 = 1 << 62


class WaveHeader(NamedTuple):
    """The contents of a WAV file's header."""

    format_tag: int  # of the sub-format where the header is extensible
    channels: int
    rate_hz: int
    container_bytes: int  # of one sample; 0 if block_align and channels are inconsistent
    valid_bits: int
    big_endian: bool
    data_bytes: int | None  # None: not known when the header was written
    data_start: int = 0  # byte offset in the file
    data_chunks: int = 1  # FFmpeg, and therefore most players, read the last of them

    @property
    def uncompressed(self) -> bool:
        """Return True if each sample has a container of its own."""
        return self.format_tag in (PCM, FLOAT, A_LAW, MU_LAW)

    @property
    def duration_s(self) -> float | None:
        """Return the duration in seconds from the size of uncompressed data.

        The stated byte rate is not used, because it is wrong in many files.
        """
        bytes_per_second = self.rate_hz * self.channels * self.container_bytes
        known = self.data_bytes and bytes_per_second and self.uncompressed
        return self.data_bytes / bytes_per_second if known else None

    @property
    def ffmpeg_codec(self) -> str | None:
        """Return the decoder that reads these samples as they are stored; None if FFmpeg or PyAV
        has none.
        """
        if self.format_tag == PCM and self.container_bytes == 1:
            return "pcm_u8"
        kind = {
            (PCM, 2): "s16",
            (PCM, 3): "s24",
            (PCM, 4): "s32",
            (FLOAT, 4): "f32",
            (FLOAT, 8): "f64",
        }
        name = kind.get((self.format_tag, self.container_bytes))
        return name and f"pcm_{name}{'be' if self.big_endian else 'le'}"


def read_wave_header(path: str | Path) -> WaveHeader | None:
    """Return the header of a WAV file, or None if the file is not a WAV file or its chunks are
    damaged.
    """
    with Path(path).open("rb") as file:
        header = file.read(HEADER_BYTES)
    big_endian = header[:4] == b"RIFX"
    if header[:4] not in (b"RIFF", b"RIFX", b"RF64", b"BW64") or header[8:12] != b"WAVE":
        return None
    order = ">" if big_endian else "<"
    position, form, size_64 = 12, b"", None
    while position + 8 <= len(header):
        name, size = struct.unpack_from(f"{order}4sI", header, position)
        if name == b"ds64" and size >= 16:
            size_64 = struct.unpack_from("<Q", header, position + 16)[0]
        if name == b"fmt ":
            form = header[position + 8 : position + 8 + size]
        if name == b"data":
            found = _header(form, order, _known(size, size_64))
            return found and _with_last_data(path, found._replace(data_start=position + 8), order)
        position += 8 + size + size % 2
    return None


def is_followed_by_another(path: str | Path, header: WaveHeader) -> bool:
    """Return True if a second WAV file follows the data: the files were concatenated byte by
    byte.
    """
    if not header.data_bytes:
        return False
    with Path(path).open("rb") as file:
        file.seek(header.data_start + header.data_bytes)
        behind = file.read(13)
    return any(
        behind[skip:].startswith(b"RIFF") and behind[skip + 8 : skip + 12] == b"WAVE"
        for skip in (0, 1)
    )


def _with_last_data(path: str | Path, header: WaveHeader, order: str) -> WaveHeader:
    """Return the header with the last `data` chunk in place of the first, and the number of `data`
    chunks.
    """
    position, size, chunks = header.data_start, header.data_bytes, header
    with Path(path).open("rb") as file:
        for _ in range(MOST_CHUNKS):
            if size is None:
                break
            position += size + size % 2
            file.seek(position)
            name, size = struct.unpack(f"{order}4sI", file.read(8).ljust(8, b"\0"))
            if not name.isascii() or not name.strip(b"\0"):
                break
            position += 8
            if name == b"data":
                size = _known(size, None)
                chunks = chunks._replace(
                    data_bytes=size, data_start=position, data_chunks=chunks.data_chunks + 1
                )
    return chunks


def _known(size: int, size_64: int | None) -> int | None:
    if size == 0xFFFFFFFF and size_64 is not None:
        return size_64 if 0 < size_64 < UNKNOWN_SIZE_64 else None
    return None if any(size in sizes for sizes in UNKNOWN_SIZES) else size


def _header(form: bytes, order: str, data_bytes: int | None) -> WaveHeader | None:
    if len(form) < 16:
        return None
    tag, channels, rate_hz, _, align, bits = struct.unpack_from(f"{order}HHIIHH", form)
    valid_bits = bits
    if tag == EXTENSIBLE and len(form) >= 26:
        valid_bits = struct.unpack_from(f"{order}H", form, 18)[0] or bits
        tag = struct.unpack_from(f"{order}H", form, 24)[0]
    fits = channels and align and align % channels == 0 and align // channels <= 8
    container_bytes = align // channels if fits else -(-bits // 8)
    return WaveHeader(tag, channels, rate_hz, container_bytes, valid_bits, order == ">", data_bytes)
