"""How a stored picture lies on the screen: a crop, the shape of its pixels, then a mirror, then a
turn.

Discs, camcorders and broadcasts store pixels that are not square (4:3, 16:15, 64:45); phones store
the picture as the sensor lay. The display matrix of MP4 and of H.264, in 16.16 fixed point, takes
the stored (x, y), y down, to

    x' = a x + c y,   y' = b x + d y,   bytes: a b u  c d v  x y w
"""

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from scipy.ndimage import rotate

from ksdiff_jax.data.tracking.cropping import UNCROPPED, Crop
from ksdiff_jax.typing import UInt

WIDEST_PIXEL = 10  # width over height, or height over width; beyond it the header is wrong
STRAIGHT_DEG = 1.0  # a smaller angle is left alone, as players do


class Display(NamedTuple):
    """What is done to a stored picture before it is shown, in this order."""

    pixel_aspect: float = 1.0  # width over height of a stored pixel
    mirrored: bool = False  # left and right
    angle_deg: float = 0.0  # counterclockwise
    crop: Crop = UNCROPPED  # before all of these

    def visible(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of what is left of a stored picture by the crop."""
        left, top, right, bottom = self.crop
        return width - left - right, height - top - bottom


def display_of(
    picture: VideoFrame, pixel_aspect: Fraction | None = None, crop: Crop = UNCROPPED
) -> Display:
    """How a decoded picture is shown. The aspect is the stream's; None or absurd: square."""
    aspect = float(pixel_aspect) if pixel_aspect else 1.0
    if not 1 / WIDEST_PIXEL <= aspect <= WIDEST_PIXEL:
        aspect = 1.0
    return Display(aspect, *_mirror_and_angle(picture), crop)


class PixelAspect:
    """The pixel aspect of a stream as it is decoded: the container's, else the coded pictures',
    which may change.
    """

    def __init__(self, stream: VideoStream):
        self._context = stream.codec_context
        self._coded = self._context.sample_aspect_ratio
        self._aspect = stream.sample_aspect_ratio
        self._by_container = (
            bool(self._aspect) and bool(self._coded) and self._aspect != self._coded
        )

    def now(self) -> Fraction | None:
        """Of the picture decoded last."""
        coded = self._context.sample_aspect_ratio
        if not self._by_container and coded and coded != self._coded:
            self._coded = self._aspect = coded
        return self._aspect


def shown_size(width: int, height: int, display: Display) -> tuple[int, int]:
    """Width and height on the screen of a stored picture.

    Pixels are made larger, never smaller, to be square.
    """
    width, height = _square(*display.visible(width, height), display)
    turn = math.radians(display.angle_deg)
    if abs(_beside_quarters(display.angle_deg)) < STRAIGHT_DEG:
        turn = math.radians(90 * round(display.angle_deg / 90))
    across = abs(width * math.cos(turn)) + abs(height * math.sin(turn))
    along = abs(width * math.sin(turn)) + abs(height * math.cos(turn))
    return max(1, round(across)), max(1, round(along))


def unturned_size(
    width: int, height: int, display: Display, *, largest_side: int | None
) -> tuple[int, int]:
    """The size with square pixels before mirror and turn, such that no side shown is longer than
    asked for.
    """
    shrunk = min(1.0, (largest_side or math.inf) / max(shown_size(width, height, display)))
    square = _square(*display.visible(width, height), display)
    if shrunk == 1 and square == (width, height):
        return width, height
    return max(2, round(square[0] * shrunk)), max(2, round(square[1] * shrunk))


def upright(picture: UInt[np.ndarray, "y x c"], display: Display) -> UInt[np.ndarray, "y2 x2 c"]:
    """A picture of square pixels, mirrored and turned as it is shown; black where a slanted one
    leaves corners.
    """
    if display.mirrored:
        picture = picture[:, ::-1]
    if abs(_beside_quarters(display.angle_deg)) < STRAIGHT_DEG:
        return np.ascontiguousarray(np.rot90(picture, round(display.angle_deg / 90) % 4))
    return rotate(picture, display.angle_deg, order=1)


def _square(width: int, height: int, display: Display) -> tuple[int, int]:
    aspect = display.pixel_aspect
    return (
        (max(1, round(width * aspect)), height)
        if aspect >= 1
        else (width, max(1, round(height / aspect)))
    )


def _beside_quarters(angle_deg: float) -> float:
    return angle_deg - 90 * round(angle_deg / 90)


def _mirror_and_angle(picture: VideoFrame) -> tuple[bool, float]:
    try:
        matrix = next(
            (data for data in picture.side_data if data.type.name == "DISPLAYMATRIX"), None
        )
    except ValueError:  # something beside the picture that PyAV has no name for yet, such as Exif
        return False, float(picture.rotation)
    if matrix is None:
        return False, 0.0
    a, b, _, c, d = (np.frombuffer(bytes(matrix), np.int32)[:5] / 65536).tolist()
    determinant = a * d - b * c
    if determinant == 0 or not (a or b):  # nothing that could be shown
        return False, 0.0
    mirrored = determinant < 0
    angle_deg = -math.degrees(math.atan2(-b, -a) if mirrored else math.atan2(b, a))
    return mirrored, angle_deg + 0.0
