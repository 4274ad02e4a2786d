"""Frames of a video by the video's own clock, and the shots between its cuts.

A frame's time is its presentation time stamp, in seconds after the first sample of the file's sound (after the first
frame where there is no sound). Frame rates in headers are never used: broadcast, phone and web video runs at 29.97,
30, 50 or at no constant rate.

A cut is a picture that has little to do with the one before: the mean change of a thumbnail's luma is large, and
large beside the changes around it, so that neither a fast head nor a flash counts (the adaptive content detector of
PySceneDetect measures the same).
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from ksdiff_jax.audio.container import open_container
from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import Float, UInt8

THUMBNAIL = (48, 27)  # width, height
CUT_CHANGE = 0.08 * 255  # mean absolute change of luma
CUT_RATIO = 4.0  # over the median change of the frames around
AROUND_FRAMES = 8
LONGEST_STEP_S = 0.5  # a longer silence of the camera is a cut too


class Frame(NamedTuple):
    """A decoded picture and when it is shown."""

    time_s: float
    picture: av.VideoFrame

    def rgb(self, *, largest_side: int | None = None) -> UInt8[np.ndarray, "y x 3"]:
        """The picture upright, no side longer than asked for."""
        shrunk = min(1.0, (largest_side or np.inf) / max(self.picture.width, self.picture.height))
        width, height = (max(2, round(side * shrunk)) for side in (self.picture.width, self.picture.height))
        picture = self.picture.reformat(width, height, "rgb24") if shrunk < 1 else self.picture
        return _upright(picture.to_ndarray(format="rgb24"), self.picture)

    def thumbnail(self) -> UInt8[np.ndarray, "27 48"]:
        """Luma of the whole picture."""
        return self.picture.reformat(*THUMBNAIL, "gray").to_ndarray()[:, : THUMBNAIL[0]]


def frames(path: str | Path) -> Iterator[Frame]:
    """The frames of a video in the order of their times. Damaged packets are passed over, as players do.

    Raises `InputError` where the file is no video at all.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of a video")
    try:
        with open_container(path) as container:
            if not container.streams.video:
                raise InputError(f"{path}: no pictures in this file; give a video")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            origin_s = _start_s(container.streams.audio[0]) if container.streams.audio else None
            last_s = -np.inf
            for picture in _decoded(container, stream):
                if picture.pts is None:
                    continue
                time_s = float(picture.pts * picture.time_base)
                origin_s = time_s if origin_s is None else origin_s
                if time_s > last_s:
                    last_s = time_s
                    yield Frame(time_s - origin_s, picture)
    except av.error.FFmpegError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise InputError(f"{path}: not a video that FFmpeg can read ({reason})") from error


def has_sound(path: str | Path) -> bool:
    """True if the file has a sound track."""
    try:
        with open_container(path) as container:
            return bool(container.streams.audio)
    except av.error.FFmpegError:
        return False


def shots(times_s: Float[np.ndarray, "n"], thumbnails: UInt8[np.ndarray, "n 27 48"]) -> list[slice]:
    """Runs of frames without a cut between them."""
    if not len(times_s):
        return []
    changes = _changes(thumbnails)  # between frames i and i + 1
    cuts = [0]
    for i, change in enumerate(changes):
        around = np.delete(changes[max(0, i - AROUND_FRAMES) : i + AROUND_FRAMES + 1], min(i, AROUND_FRAMES))
        usual = float(np.median(around)) if len(around) else 0.0
        jump = change > CUT_CHANGE and change > CUT_RATIO * usual
        if jump or times_s[i + 1] - times_s[i] > LONGEST_STEP_S:
            cuts.append(i + 1)
    return [slice(first, last) for first, last in zip(cuts, [*cuts[1:], len(times_s)], strict=True)]


def _changes(thumbnails: UInt8[np.ndarray, "n 27 48"]) -> Float[np.ndarray, "m"]:
    pairs = itertools.pairwise(thumbnails)
    return np.array([np.abs(b.astype(np.float32) - a).mean() for a, b in pairs], np.float32)


def _start_s(stream) -> float:
    return float(stream.start_time * stream.time_base) if stream.start_time is not None else 0.0


def _decoded(container, stream) -> Iterator[av.VideoFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:  # the file ends in the middle of a packet
            packet = None
        if packet is None:
            return
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue


def _upright(picture: UInt8[np.ndarray, "y x 3"], frame: av.VideoFrame) -> UInt8[np.ndarray, "y2 x2 3"]:
    """Phones store the picture as the sensor lay and an angle beside it."""
    quarter_turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, quarter_turns)) if quarter_turns else picture
