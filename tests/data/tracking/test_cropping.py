"""Crop rectangles in containers, written byte by byte from the specifications."""

import struct

import pytest

from ksdiff_jax.data.tracking.cropping import Crop, crop_of
from ksdiff_jax.data.tracking.video import frames
from tests.data.tracking.test_display import corners, write

# ISO/IEC 14496-12: where the boxes inside a box begin.
INSIDE = {b"stsd": 16, b"avc1": 86}


def with_aperture(data: bytes, *numbers: int) -> bytes:
    """An MP4 with a `clap` of eight numbers at the end of its sample entry; `moov` lies after the
    pictures.
    """
    data, place, grown = bytearray(data), 0, []
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        while data[place + 4 : place + 8] != name:
            place += int.from_bytes(data[place : place + 4], "big")
        grown.append(place)
        place += INSIDE.get(name, 8)
    box = struct.pack(">I4sIIIIiIiI", 40, b"clap", *numbers)
    end = grown[-1] + int.from_bytes(data[grown[-1] : grown[-1] + 4], "big")
    data[end:end] = box
    for start in grown:
        size = int.from_bytes(data[start : start + 4], "big") + len(box)
        data[start : start + 4] = size.to_bytes(4, "big")
    return bytes(data)


def test_the_clean_aperture_of_an_mp4_is_what_is_shown(tmp_path):
    """48 x 32 of 96 x 64, its centre 6 to the left and 4 down: columns 18 to 66, rows 20 to 52."""
    path = write(tmp_path / "v.mp4")
    path.write_bytes(with_aperture(path.read_bytes(), 48, 1, 32, 1, -12, 2, 4, 1))
    frame = next(frames(path))
    assert frame.display.crop == Crop(18, 20, 30, 12) and frame.size == (48, 32)
    picture = frame.rgb()
    assert picture.shape == (32, 48, 3) and corners(picture) == "RGB-"
    # red to column 48, then green
    assert picture[5, 28].argmax() == 0 and picture[5, 32].argmax() == 1
    assert frame.rgb(largest_side=24).shape == (16, 24, 3)


def element(name: str, body: bytes) -> bytes:
    return bytes.fromhex(name) + (0x4000 | len(body)).to_bytes(2, "big") + body


def matroska(*, unknown_size: bool) -> bytes:
    sides = b"".join(
        element(name, bytes([n]))
        for name, n in (("54cc", 8), ("54bb", 4), ("54dd", 16), ("54aa", 2))
    )
    sound, video = (
        element("ae", element("83", b"\2")),
        element("ae", element("83", b"\1") + element("e0", sides)),
    )
    segment = element("ec", bytes(50)) + element("1654ae6b", sound + video)
    head = element("1a45dfa3", element("4282", b"matroska"))
    return head + (
        b"\x18\x53\x80\x67\x01" + b"\xff" * 7 + segment
        if unknown_size
        else element("18538067", segment)
    )


@pytest.mark.parametrize("unknown_size", [False, True])
def test_the_crop_of_a_matroska_is_that_of_its_track(tmp_path, unknown_size):
    (tmp_path / "v.mkv").write_bytes(matroska(unknown_size=unknown_size))
    size = {"width": 96, "height": 64}
    assert crop_of(tmp_path / "v.mkv", format_name="matroska,webm", stream=1, **size) == Crop(
        8, 4, 16, 2
    )
    assert crop_of(tmp_path / "v.mkv", format_name="matroska,webm", stream=0, **size) == Crop()
    assert (
        crop_of(tmp_path / "v.mkv", format_name="matroska,webm", stream=1, width=24, height=64)
        == Crop()
    )


@pytest.mark.parametrize(
    "numbers",
    [(48, 0, 32, 1, 0, 1, 0, 1), (480, 1, 320, 1, 0, 1, 0, 1), (48, 1, 32, 1, 90, 1, 0, 1)],
)
def test_a_rectangle_that_does_not_fit_is_none(tmp_path, numbers):
    path = write(tmp_path / "v.mp4")
    path.write_bytes(with_aperture(path.read_bytes(), *numbers))
    assert next(frames(path)).size == (96, 64)


def test_headers_cut_anywhere_crop_nothing_and_raise_nothing(tmp_path):
    for data, name in (
        (matroska(unknown_size=False), "matroska"),
        (write(tmp_path / "v.mp4").read_bytes(), "mp4"),
    ):
        for end in range(0, len(data), 7):
            (tmp_path / "cut").write_bytes(data[:end])
            crop_of(tmp_path / "cut", format_name=name, stream=1, width=96, height=64)
