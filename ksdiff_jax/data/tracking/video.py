"""Pictures of a video as a player displays them, with the video's own times, and the shots between
its cuts.

A picture's time is in seconds after the instant at which a player starts the file (`start_s`),
which is also sample 0 of its sound. Frame rates in headers are used only if time stamps are missing
(stamps.py), because broadcast, phone and web video has 29.97, 30, 50 or a varying number of frames
a second. Displayed pictures are upright, with square pixels (display.py), deinterlaced
(interlace.py) and in SDR colours (colour.py); plain video needs none of these steps.

A cut is a picture that differs strongly from the previous one: the mean change of a thumbnail's
luma is large, and large compared with the changes around it, so that neither a fast head nor a
flash counts (PySceneDetect's adaptive content detector uses the same measure). A picture of another
size is also a cut.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.format import Flags
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ksdiff_jax.audio.container import open_container, packets_of, shown_stream, start_s
from ksdiff_jax.data.tracking.colour import luma_of, shown_colours, signal_of
from ksdiff_jax.data.tracking.cropping import UNCROPPED, Crop, crop_of
from ksdiff_jax.data.tracking.display import (
    Display,
    PixelAspect,
    display_of,
    shown_size,
    unturned_size,
    upright,
)
from ksdiff_jax.data.tracking.interlace import progressive
from ksdiff_jax.data.tracking.stamps import Timed, by_count, by_places, by_stamps
from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import Float, UInt8

THUMBNAIL = (48, 27)  # width, height
CUT_CHANGE = 0.08 * 255  # mean absolute change of luma
CUT_RATIO = 4.0  # ratio to the median change of the frames around
AROUND_FRAMES = 8
LONGEST_STEP_S = 0.5  # a longer gap between pictures is also a cut
USUAL_RATE_HZ = 25.0  # if neither stamps nor headers give a rate


class Frame(NamedTuple):
    """A decoded picture, its display time and its display geometry."""

    time_s: float
    picture: VideoFrame
    display: Display = Display()
    interlaced: bool = False  # as stored; returned pictures are deinterlaced

    @property
    def size(self) -> tuple[int, int]:
        """Displayed width and height."""
        return shown_size(self.picture.width, self.picture.height, self.display)

    def rgb(self, *, largest_side: int | None = None) -> UInt8[np.ndarray, "y x 3"]:
        """Return the displayed picture, with no side longer than requested."""
        return shown_colours(self._signal(largest_side), self.picture)

    def square(
        self, x: float, y: float, side: float
    ) -> tuple[UInt8[np.ndarray, "s s 3"], int, int]:
        """Return a square of the picture around (x, y), black beyond the edge, and the position of
        its corner.
        """
        half = max(8, round(side / 2))
        left, top = round(x) - half, round(y) - half
        signal = self._signal(None)
        inside = signal[
            max(0, top) : max(0, top + 2 * half), max(0, left) : max(0, left + 2 * half)
        ]
        square = np.zeros((2 * half, 2 * half, 3), np.uint8)
        y0, x0 = max(0, -top), max(0, -left)
        square[y0 : y0 + inside.shape[0], x0 : x0 + inside.shape[1]] = shown_colours(
            inside, self.picture
        )
        return square, left, top

    def thumbnail(self) -> UInt8[np.ndarray, "27 48"]:
        """Return the luma of the whole stored picture."""
        return luma_of(self.picture, *THUMBNAIL)

    def _signal(self, largest_side: int | None) -> np.ndarray:
        stored = self.picture.width, self.picture.height
        size = unturned_size(*stored, self.display, largest_side=largest_side)
        left, top, *_ = crop = self.display.crop
        if not any(crop):
            return upright(signal_of(self.picture, *size), self.display)
        across, along = (
            part / whole for part, whole in zip(size, self.display.visible(*stored), strict=True)
        )
        signal = signal_of(self.picture, round(stored[0] * across), round(stored[1] * along))
        left, top = round(left * across), round(top * along)
        return upright(signal[top : top + size[1], left : left + size[0]], self.display)


def frames(path: str | Path) -> Iterator[Frame]:
    """Yield the pictures of a video in the order of their times. Damaged packets are skipped, as in
    players.

    Raises `InputError` if the file is not a video.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of a video")
    try:
        with open_container(path) as container:
            yield from _frames(container, _stream(container, path=path), path=path)
    except av.error.FFmpegError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise InputError(f"{path}: not a video that FFmpeg can read ({reason})") from error


def can_be_opened(path: str | Path) -> bool:
    """Return True if FFmpeg finds a container with streams in the file."""
    try:
        with open_container(path) as container:
            return len(container.streams) > 0
    except av.error.FFmpegError:
        return False


def has_sound(path: str | Path) -> bool:
    """Return True if the file has a sound track that can be decoded."""
    try:
        with open_container(path) as container:
            return any(stream.codec_context is not None for stream in container.streams.audio)
    except av.error.FFmpegError:
        return False


def shots(
    times_s: Float[np.ndarray, "n"],
    thumbnails: UInt8[np.ndarray, "n 27 48"],
    sizes: list[tuple[int, int]] | None = None,
) -> list[slice]:
    """Return the runs of frames without a cut between them."""
    if not len(times_s):
        return []
    changes = _changes(thumbnails)  # between frames i and i + 1
    cuts = [0]
    for i, change in enumerate(changes):
        around = np.delete(
            changes[max(0, i - AROUND_FRAMES) : i + AROUND_FRAMES + 1], min(i, AROUND_FRAMES)
        )
        usual = float(np.median(around)) if len(around) else 0.0
        jump = change > CUT_CHANGE and change > CUT_RATIO * usual
        resized = sizes is not None and sizes[i + 1] != sizes[i]
        if jump or resized or times_s[i + 1] - times_s[i] > LONGEST_STEP_S:
            cuts.append(i + 1)
    return [slice(first, last) for first, last in zip(cuts, [*cuts[1:], len(times_s)], strict=True)]


def _changes(thumbnails: UInt8[np.ndarray, "n 27 48"]) -> Float[np.ndarray, "m"]:
    pairs = itertools.pairwise(thumbnails)
    return np.array([np.abs(b.astype(np.float32) - a).mean() for a, b in pairs], np.float32)


def _stream(container: InputContainer, *, path: Path) -> VideoStream:
    stream = shown_stream(container)
    if stream is None or container.format.name == "tty":  # tty: text, drawn as pictures
        raise InputError(
            f"{path}: no pictures in this file (read as {container.format.name}); give a video"
        )
    if stream.codec_context is None:
        raise InputError(f"{path}: no decoder for its pictures; save the video again as H.264")
    return stream


def _frames(container: InputContainer, stream: VideoStream, *, path: Path) -> Iterator[Frame]:
    # with frame threads PyAV loses the pictures after an error in the last ones
    stream.thread_type = "SLICE"
    zero_s = start_s(container) if not container.format.flags & Flags.no_timestamps.value else 0.0
    step_s = 1.0 / float(stream.guessed_rate or stream.average_rate or USUAL_RATE_HZ)
    places: list[int] = []
    decoded = _decoded(container, stream, places)
    flags, time_base = container.format.flags, stream.time_base
    if container.format.name == "avi":
        timed = by_places(decoded, places, time_base=time_base)
    elif flags & Flags.no_timestamps.value:
        timed = by_count(decoded, time_base=time_base, step_s=step_s)
    else:
        spliced = bool(flags & Flags.ts_discont.value)
        timed = by_stamps(
            decoded, time_base=time_base, step_s=step_s, first_s=zero_s, spliced=spliced
        )
    crop = crop_of(
        path,
        format_name=container.format.name,
        stream=stream.index,
        width=stream.width,
        height=stream.height,
    )
    for frame in progressive(_shown(timed, PixelAspect(stream), crop)):
        if frame.time_s + step_s > zero_s:  # a player has not started before this
            yield frame._replace(time_s=frame.time_s - zero_s)


def _shown(timed: Iterator[Timed], aspect: PixelAspect, crop: Crop) -> Iterator[Frame]:
    size = None  # size of the pictures to which the crop applies
    for time_s, picture in timed:
        size = size or (picture.width, picture.height)
        fits = crop if size == (picture.width, picture.height) else UNCROPPED
        yield Frame(
            time_s, picture, display_of(picture, aspect.now(), fits), picture.interlaced_frame
        )


def _decoded(
    container: InputContainer, stream: VideoStream, places: list[int]
) -> Iterator[VideoFrame]:
    """Yield decoded pictures in display order, including the last ones in the decoder's buffer.

    The decoding stamps of the packets are added to `places` as they are read.
    """
    context = stream.codec_context
    for packet in packets_of(container, stream):
        if packet.dts is not None:
            places.append(packet.dts)
        try:
            yield from context.decode(packet)
        except (av.error.FFmpegError, ValueError):  # damaged
            continue
    while True:
        try:
            yield from context.decode(None)
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            continue
        return
