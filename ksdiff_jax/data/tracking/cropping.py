"""The part of the stored picture that a container marks for display: `clap` of MP4 and MOV,
PixelCrop of Matroska.

FFmpeg crops by the coded stream and passes the container's rectangle on as side data of the stream,
which PyAV does not expose; so this module reads the header. Capture cards, disc rips and QuickTime
write such rectangles to exclude black or noisy borders. MP4 stores the width, height and offset of
the centre of the clean aperture as fractions, Matroska the columns and rows to leave out.
"""

import struct
from collections.abc import Iterator
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import NamedTuple

# Bytes before the inner boxes: version and count of `stsd`, and its visual sample entry.
STSD_HEADER, VISUAL_ENTRY_HEADER = 8, 78
SEGMENT, TRACKS, TRACK, VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0xE0
LEFT, TOP, RIGHT, BOTTOM = 0x54CC, 0x54BB, 0x54DD, 0x54AA
LARGEST_HEADER = 1 << 24  # of tracks: a few kilobytes


class Crop(NamedTuple):
    """Stored columns and rows that are not displayed."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0


UNCROPPED = Crop()


def crop_of(path: str | Path, *, format_name: str, stream: int, width: int, height: int) -> Crop:
    """Return the crop of a stream by its index in the file; no crop if the header has none or an
    absurd one.
    """
    formats = format_name.split(",")
    try:
        with Path(path).open("rb") as file:
            crop = UNCROPPED
            if "mp4" in formats:
                crop = _clean_aperture(file, stream, width, height)
            elif "matroska" in formats:
                crop = _pixel_crop(file, stream)
    except (OSError, struct.error, ZeroDivisionError, ValueError):
        return UNCROPPED
    left, top, right, bottom = crop
    return (
        crop
        if min(crop) >= 0 and left + right < width - 1 and top + bottom < height - 1
        else UNCROPPED
    )


def _clean_aperture(file: BufferedIOBase, stream: int, width: int, height: int) -> Crop:
    movie = next((body for kind, body in _file_boxes(file) if kind == b"moov"), b"")
    tracks = [body for kind, body in _boxes(movie) if kind == b"trak"]
    body = tracks[stream] if stream < len(tracks) else b""
    for name in (b"mdia", b"minf", b"stbl", b"stsd"):
        body = next((inner for kind, inner in _boxes(body) if kind == name), b"")
    entry = next((inner for _, inner in _boxes(body[STSD_HEADER:])), b"")
    aperture = next(
        (inner for kind, inner in _boxes(entry[VISUAL_ENTRY_HEADER:]) if kind == b"clap"), None
    )
    if aperture is None:
        return UNCROPPED
    wide, wide_of, high, high_of, right, right_of, down, down_of = struct.unpack(
        ">IIIIiIiI", aperture[:32]
    )
    left = (width - wide / wide_of) / 2 + right / right_of
    top = (height - high / high_of) / 2 + down / down_of
    return Crop(
        *map(round, (left, top, width - wide / wide_of - left, height - high / high_of - top))
    )


def _file_boxes(file: BufferedIOBase) -> Iterator[tuple[bytes, bytes]]:
    """Yield the top-level boxes of a file; only `moov` is read."""
    while len(header := file.read(8)) == 8:
        size, kind, taken = int.from_bytes(header[:4], "big"), header[4:], 8
        if size == 1:
            size, taken = int.from_bytes(file.read(8), "big"), 16
        if size < taken:
            return
        if kind == b"moov":
            yield kind, file.read(size - taken)
            return
        file.seek(size - taken, 1)


def _boxes(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(body):
        size = int.from_bytes(body[place : place + 4], "big")
        if size < 8:
            return
        yield body[place + 4 : place + 8], body[place + 8 : place + size]
        place += size


def _pixel_crop(file: BufferedIOBase, stream: int) -> Crop:
    while (element := _element(file)) is not None:
        name, size = element
        if name == SEGMENT:  # its elements follow
            continue
        if name == TRACKS and size is not None and size < LARGEST_HEADER:
            tracks = [body for kind, body in _elements(file.read(size)) if kind == TRACK]
            track = tracks[stream] if stream < len(tracks) else b""
            video = next((body for kind, body in _elements(track) if kind == VIDEO), b"")
            sides = {kind: int.from_bytes(body, "big") for kind, body in _elements(video)}
            return Crop(*(sides.get(side, 0) for side in (LEFT, TOP, RIGHT, BOTTOM)))
        if size is None:
            return UNCROPPED
        file.seek(size, 1)
    return UNCROPPED


def _elements(body: bytes) -> Iterator[tuple[int, bytes]]:
    file = BytesIO(body)
    while (element := _element(file)) is not None:
        name, size = element
        yield name, file.read(len(body) if size is None else size)


def _element(file: BufferedIOBase) -> tuple[int, int | None] | None:
    """Return name and size of the EBML element at this position; size None: unknown. None at the
    end.
    """
    first = file.read(1)
    if not first or not first[0]:
        return None
    name = first + file.read(8 - first[0].bit_length())
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    size = int.from_bytes(first + file.read(more), "big") & ((1 << 7 * (more + 1)) - 1)
    return int.from_bytes(name, "big"), None if size == (1 << 7 * (more + 1)) - 1 else size
