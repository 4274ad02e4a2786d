"""Pictures of a clip: square crops of the face, one per motion frame, coded one by one.

    picture i = the square (left, top, side) of frame i of the source, scaled to `side` pixels

Each picture is a JPEG with full colour resolution. They lie one after another behind a table of
their lengths, so that a few pictures of a clip are decoded without the others. The squares are in
pixels of the source's picture; those of a rendered clip are the picture itself.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ksdiff_jax.errors import InputError, first_line
from ksdiff_jax.typing import Float, Int, UInt8

QUALITY = 95  # of JPEG
SMALLEST, LARGEST, STEP = 32, 512, 8  # pixels
_COUNT = np.dtype("<u4")


@dataclass(frozen=True, eq=False)
class CodedPictures:
    """The pictures of a clip, coded, and the square of the source that each shows."""

    data: bytes  # the JPEGs, one after another
    stops: Int[np.ndarray, "t"]  # end of each in `data`
    boxes: Float[np.ndarray, "t 3"]  # left, top and side in pixels of the source's picture
    side: int  # pixels

    def __len__(self) -> int:
        return len(self.stops)

    def jpeg(self, number: int) -> bytes:
        """Return the JPEG of a frame."""
        start = 0 if number == 0 else int(self.stops[number - 1])
        return self.data[start : int(self.stops[number])]

    def __getitem__(self, number: int) -> UInt8[np.ndarray, "h w 3"]:
        """Return the picture of a frame; raise `InputError` if it is damaged."""
        if not 0 <= number < len(self):
            raise IndexError(f"picture {number} of {len(self)}")
        from PIL import Image  # `bench device` reads clips on machines without it

        try:
            with Image.open(io.BytesIO(self.jpeg(number)), formats=["JPEG"]) as image:
                picture = np.asarray(image.convert("RGB"))
        except (OSError, ValueError, SyntaxError) as error:
            raise InputError(f"picture {number} cannot be decoded ({first_line(error)})") from error
        if picture.shape != (self.side, self.side, 3):
            raise InputError(
                f"picture {number} has {picture.shape[1]} x {picture.shape[0]} pixels; "
                f"{self.side} x {self.side} are needed"
            )
        return picture

    def take(self, numbers: Sequence[int] | Int[np.ndarray, "n"]) -> UInt8[np.ndarray, "n h w 3"]:
        """Return the pictures of some frames; no other is decoded."""
        return np.stack([self[int(number)] for number in numbers])

    def part(self, first: int, last: int) -> "CodedPictures":
        """Return the pictures of frames [first, last)."""
        start = 0 if first == 0 else int(self.stops[first - 1])
        stop = start if last <= first else int(self.stops[last - 1])
        stops = self.stops[first:last] - start
        return CodedPictures(self.data[start:stop], stops, self.boxes[first:last], self.side)

    def record(self) -> bytes:
        """Return the pictures as one byte string: count, side, length of each, JPEGs."""
        lengths = np.diff(self.stops, prepend=0)
        return np.array([len(self), self.side, *lengths], _COUNT).tobytes() + self.data


def check_side(side: int) -> int:
    """Return `side`; raise `InputError` unless data sets can have pictures of so many pixels."""
    if not SMALLEST <= side <= LARGEST or side % STEP:
        raise InputError(
            f"pictures of {side} pixels: need {SMALLEST} to {LARGEST}, a multiple of {STEP}"
        )
    return side


def coded_pictures(
    pictures: Iterable[UInt8[np.ndarray, "h w 3"]],
    *,
    side: int,
    boxes: Float[np.ndarray, "t 3"] | None = None,
) -> CodedPictures:
    """Return pictures of `side` x `side` pixels, coded; without `boxes` each shows a whole picture
    of this size.
    """
    jpegs = [jpeg_of(picture, side=side) for picture in pictures]
    if boxes is None:
        boxes = np.tile(np.float32([0, 0, side]), (len(jpegs), 1))
    return joined_jpegs(jpegs, side=side, boxes=boxes)


def jpeg_of(picture: UInt8[np.ndarray, "h w 3"], *, side: int) -> bytes:
    """Return one picture of `side` x `side` pixels, coded."""
    if picture.shape != (side, side, 3):
        raise ValueError(f"picture of shape {picture.shape}; need {(side, side, 3)}")
    stream = io.BytesIO()
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture))
    image.save(stream, "JPEG", quality=QUALITY, subsampling=0)
    return stream.getvalue()


def joined_jpegs(
    jpegs: Sequence[bytes], *, side: int, boxes: Float[np.ndarray, "t 3"]
) -> CodedPictures:
    """Return coded pictures as those of one clip."""
    stops = np.cumsum([len(one) for one in jpegs], dtype=np.int64)
    return CodedPictures(b"".join(jpegs), stops, np.asarray(boxes, np.float32), side)


def pictures_from_record(data: bytes, boxes: Float[np.ndarray, "t 3"]) -> CodedPictures:
    """Return the inverse of `CodedPictures.record`; raise `InputError` if the bytes are damaged."""
    head = np.frombuffer(data[: len(data) // 4 * 4], _COUNT, count=min(2, len(data) // 4))
    count, side = map(int, head) if len(head) == 2 else (0, 0)
    start = (2 + count) * _COUNT.itemsize
    if count == 0 or len(data) < start:
        raise InputError("pictures without their table of lengths; the record is damaged")
    lengths = np.frombuffer(data[:start], _COUNT)[2:].astype(np.int64)
    stops = np.cumsum(lengths)
    if stops[-1] != len(data) - start:
        raise InputError(
            f"pictures of {stops[-1]} bytes, {len(data) - start} are there; the record is damaged"
        )
    return CodedPictures(data[start:], stops, boxes, side)
