"""The geometry of a displayed picture: a crop, the shape of its pixels, a mirror image, then a
rotation.

Discs, camcorders and broadcasts store pixels that are not square (4:3, 16:15, 64:45); phones store
the picture in the orientation of the sensor. The display matrix of MP4 and of H.264, in 16.16 fixed
point, maps the stored (x, y), y down, to

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

WIDEST_PIXEL = 10  # width over height, or height over width; a larger ratio means a wrong header
STRAIGHT_DEG = 1.0  # a smaller angle is ignored, as in players


class Display(NamedTuple):
    """The operations on a stored picture before display, in this order."""

    pixel_aspect: float = 1.0  # width over height of a stored pixel
    mirrored: bool = False  # left and right
    angle_deg: float = 0.0  # counterclockwise
    crop: Crop = UNCROPPED  # before the other operations

    def visible(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of a stored picture after the crop."""
        left, top, right, bottom = self.crop
        return width - left - right, height - top - bottom


def display_of(
    picture: VideoFrame, pixel_aspect: Fraction | None = None, crop: Crop = UNCROPPED
) -> Display:
    """Return the display of a decoded picture. The aspect is the stream's; None or an absurd value
    means square.
    """
    aspect = float(pixel_aspect) if pixel_aspect else 1.0
    if not 1 / WIDEST_PIXEL <= aspect <= WIDEST_PIXEL:
        aspect = 1.0
    return Display(aspect, *_mirror_and_angle(picture), crop)


class PixelAspect:
    """The pixel aspect of a stream during decoding: the container's, otherwise that of the coded
    pictures, which may change.
    """

    def __init__(self, stream: VideoStream):
        self._context = stream.codec_context
        self._coded = self._context.sample_aspect_ratio
        self._aspect = stream.sample_aspect_ratio
        self._by_container = (
            bool(self._aspect) and bool(self._coded) and self._aspect != self._coded
        )

    def now(self) -> Fraction | None:
        """Return the aspect of the picture decoded last."""
        coded = self._context.sample_aspect_ratio
        if not self._by_container and coded and coded != self._coded:
            self._coded = self._aspect = coded
        return self._aspect


def shown_size(width: int, height: int, display: Display) -> tuple[int, int]:
    """Return the displayed width and height of a stored picture.

    Pixels are enlarged, never reduced, to be square.
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
    """Return the size with square pixels before mirroring and rotation, so that no displayed side
    exceeds the requested one.
    """
    shrunk = min(1.0, (largest_side or math.inf) / max(shown_size(width, height, display)))
    square = _square(*display.visible(width, height), display)
    if shrunk == 1 and square == (width, height):
        return width, height
    return max(2, round(square[0] * shrunk)), max(2, round(square[1] * shrunk))


def upright(picture: UInt[np.ndarray, "y x c"], display: Display) -> UInt[np.ndarray, "y2 x2 c"]:
    """Return a picture of square pixels, mirrored and rotated for display; black in the corners of
    an oblique one.
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
    except ValueError:  # side data that PyAV does not support yet, such as Exif
        return False, float(picture.rotation)
    if matrix is None:
        return False, 0.0
    a, b, _, c, d = (np.frombuffer(bytes(matrix), np.int32)[:5] / 65536).tolist()
    determinant = a * d - b * c
    if determinant == 0 or not (a or b):  # not a displayable transform
        return False, 0.0
    mirrored = determinant < 0
    angle_deg = -math.degrees(math.atan2(-b, -a) if mirrored else math.atan2(b, a))
    return mirrored, angle_deg + 0.0
