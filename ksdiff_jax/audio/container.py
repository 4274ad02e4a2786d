"""Opening a recording or video for reading, whatever bytes its tags hold.

Tags are free text of unknown encoding. PyAV below 19 stops at what is not UTF-8 unless told to skip it; from 19 on it
keeps such bytes escaped and knows no such option.
"""

from pathlib import Path
from typing import NamedTuple

import av
import av.error
from av.container import InputContainer
from av.stream import Disposition

from ksdiff_jax.errors import InputError

_MAJOR_VERSION = int(av.__version__.split(".")[0])


def open_container(path: str | Path) -> InputContainer:
    """An open container, to be used in a `with`. Raises `av.error.FFmpegError` where FFmpeg cannot read it."""
    options = {"metadata_errors": "ignore"} if _MAJOR_VERSION < 19 else {}
    # The explicit protocol keeps a file called `concat:...` or `http:...` a file.
    return av.open(f"file:{path}", **options)


def start_s(container: InputContainer) -> float:
    """Where a player starts: the earliest start of sound and pictures, in seconds of the file's own time stamps.

    Cover pictures and subtitles do not count, nor does what lies before zero: encoders put their delay there.
    """
    starts = [
        float(stream.start_time * stream.time_base)
        for stream in (*container.streams.audio, *container.streams.video)
        if stream.start_time is not None and not stream.disposition & Disposition.attached_pic
    ]
    return max(0.0, min(starts, default=0.0))


class Pictures(NamedTuple):
    """The first video track; the rate is measured on the frames' own times, headers are not to be trusted."""

    codec: str
    width: int
    height: int
    frames: int
    fps: float


class Sound(NamedTuple):
    """A sound track, as stored."""

    codec: str
    rate_hz: int
    channels: int

    @classmethod
    def of(cls, stream) -> "Sound":
        """What the header tells; FFmpeg knows nothing of a track that it cannot decode."""
        if stream.codec_context is None:
            return cls("no decoder", 0, 0)
        return cls(stream.codec_context.name, stream.rate or 0, stream.channels)


class Tracks(NamedTuple):
    """What a recording or video file holds."""

    container: str
    pictures: Pictures | None
    sounds: tuple[Sound, ...]


def read_tracks(path: str | Path) -> Tracks:
    """The tracks of a file by its headers and packets; nothing is decoded.

    Raises `InputError` where FFmpeg cannot read the file or finds neither pictures nor sound in it.
    """
    try:
        with open_container(path) as container:
            video = next(iter(container.streams.video), None)
            sounds = tuple(map(Sound.of, container.streams.audio))
            tracks = Tracks(container.format.name, video and _pictures(container, video), sounds)
    except av.error.FFmpegError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise InputError(f"{path}: not a recording or video that FFmpeg can read ({reason})") from error
    if tracks.container == "tty" or (tracks.pictures is None and not tracks.sounds):  # tty: text, drawn as pictures
        raise InputError(f"{path}: neither pictures nor sound in this file (read as {tracks.container})")
    return tracks


def _pictures(container: InputContainer, stream) -> Pictures:
    times_s = sorted(
        float(packet.pts * packet.time_base) for packet in container.demux(stream) if packet.pts is not None
    )
    spread_s = times_s[-1] - times_s[0] if times_s else 0.0
    fps = (len(times_s) - 1) / spread_s if spread_s > 0 else 0.0
    return Pictures(stream.codec_context.name, stream.width, stream.height, len(times_s), fps)
