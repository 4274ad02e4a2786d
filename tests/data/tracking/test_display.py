"""Geometry: a picture with a colour in each corner, encoded with an aspect and a matrix, against
its position on the screen.
"""

from fractions import Fraction

import av
import numpy as np
import pytest

from ksdiff_jax.data.tracking.display import Display, shown_size, unturned_size, upright
from ksdiff_jax.data.tracking.video import frames

WIDTH, HEIGHT = 96, 64


def corners_picture() -> np.ndarray:
    """Red top left, green top right, blue bottom left, dark bottom right."""
    picture = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
    picture[:32, :48], picture[:32, 48:], picture[32:, :48] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    return picture


def write(path, *, aspect=None, rotation=None, matrix=None):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "4"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p"
        if aspect:
            stream.codec_context.sample_aspect_ratio = Fraction(*aspect)
        if rotation:
            stream.set_display_rotation(*rotation)
        if matrix:
            stream.set_display_matrix(matrix)
        for number in range(2):
            frame = av.VideoFrame.from_ndarray(corners_picture(), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def corners(picture: np.ndarray) -> str:
    """Colours of the corners, row by row: R, G, B or - for dark."""
    y, x = picture.shape[0] // 8, picture.shape[1] // 8
    seen = [picture[j, i].astype(int) for j in (y, -y) for i in (x, -x)]
    return "".join("RGB"[int(colour.argmax())] if colour.max() > 140 else "-" for colour in seen)


@pytest.mark.parametrize(
    ("aspect", "size"),
    [
        ((4, 3), (128, 64)),
        ((16, 15), (102, 64)),
        ((64, 45), (137, 64)),
        ((3, 4), (96, 85)),
        ((1000, 1), (96, 64)),  # no camera's: square
    ],
)
def test_pixels_are_shown_square(tmp_path, aspect, size):
    frame = next(frames(write(tmp_path / "v.mp4", aspect=aspect)))
    assert frame.size == size and frame.rgb().shape == (size[1], size[0], 3)
    assert max(frame.rgb(largest_side=48).shape) == 48


@pytest.mark.parametrize(
    ("rotation", "want"),
    [  # degrees clockwise on the screen, mirrored left-right, upside down
        ((90,), "GkRB"),
        ((180,), "kBGR"),
        ((270,), "BRkG"),
        ((0, True), "GRkB"),
        ((0, False, True), "BkRG"),
        ((89.5,), "GkRB"),
        ((0.5,), "RGBk"),
    ],
)
def test_phones_lie_on_their_side_and_mirror(tmp_path, rotation, want):
    picture = next(frames(write(tmp_path / "v.mp4", rotation=rotation))).rgb()
    assert corners(picture) == want.replace("k", "-")
    assert picture.shape[:2] == ((96, 64) if want in ("GkRB", "BRkG") else (64, 96))


def test_pixels_are_stretched_as_they_lie_and_turned_then(tmp_path):
    frame = next(frames(write(tmp_path / "v.mp4", aspect=(4, 3), rotation=(90,))))
    assert frame.size == (64, 128) and corners(frame.rgb()) == "G-RB"


def test_a_slanted_picture_is_shown_whole():
    display = Display(angle_deg=30.0)
    across = round(96 * np.cos(np.pi / 6) + 64 * np.sin(np.pi / 6))
    along = round(96 * np.sin(np.pi / 6) + 64 * np.cos(np.pi / 6))
    assert shown_size(96, 64, display) == (across, along)
    turned = upright(np.full((64, 96, 3), 255, np.uint8), display)
    np.testing.assert_allclose(turned.shape[:2], (along, across), atol=1)
    assert turned[0, 0].max() == 0 and turned[along // 2, across // 2].min() == 255


def test_a_matrix_of_zeros_is_none(tmp_path):
    picture = next(frames(write(tmp_path / "v.mp4", matrix=[0] * 9))).rgb()
    assert corners(picture) == "RGB-" and picture.shape == (64, 96, 3)


def test_what_pyav_cannot_name_beside_a_picture_does_no_harm(tmp_path):
    """FFmpeg hands on the Exif of an image, a kind that PyAV 18 does not know."""
    with av.open(str(tmp_path / "x.tiff"), "w", format="image2") as container:
        stream = container.add_stream("tiff", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(corners_picture(), format="rgb24")))
        container.mux(stream.encode())
    assert corners(next(frames(tmp_path / "x.tiff")).rgb()) == "RGB-"


def test_the_longest_side_counts_as_shown():
    assert unturned_size(720, 576, Display(64 / 45), largest_side=512) == (512, 288)
    assert unturned_size(1920, 1080, Display(angle_deg=90.0), largest_side=512) == (512, 288)
    assert unturned_size(320, 240, Display(), largest_side=512) == (320, 240)
