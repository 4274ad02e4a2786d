"""Opening a recording or video for reading, whatever bytes its tags hold.

Tags are free text of unknown encoding. PyAV below 19 stops at what is not UTF-8 unless told to skip
it; from 19 on it keeps such bytes escaped and knows no such option.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from ksdiff_jax.errors import InputError

BROADCAST_FORMATS = frozenset({"mpegts", "mpeg", "hls"})
# FFmpeg looks at 5 MB and some seconds only; a track may begin later.
LONG_PROBE = {"probesize": str(256 << 20), "analyzeduration": str(600 * 1_000_000)}
MOST_READ_ERRORS = 16  # one after another, before the rest of a file is given up
_MAJOR_VERSION = int(av.__version__.split(".")[0])


def open_container(path: str | Path) -> InputContainer:
    """An open container, to be used in a `with`.

    Raises `av.error.FFmpegError` where FFmpeg cannot read it.
    """
    options = {"metadata_errors": "ignore"} if _MAJOR_VERSION < 19 else {}
    # The explicit protocol keeps a file called `concat:...` or `http:...` a file.
    container = av.open(f"file:{path}", **options)
    if not any(map(_not_met, container.streams)):
        return container
    container.close()
    return av.open(f"file:{path}", options=LONG_PROBE, **options)


def _not_met(stream: Stream) -> bool:
    """True for a track whose form is not known yet: formats without a header name it where it
    begins.
    """
    if stream.codec_context is None or stream.type not in ("audio", "video"):
        return False
    return not (stream.rate if stream.type == "audio" else stream.width)


def start_s(container: InputContainer) -> float:
    """Where a player starts the file, on the clock of its time stamps: the earliest start of its
    sound and pictures.

    Subtitles, data and cover art start nothing, nor does what lies before zero: encoders put their
    delay there. Only the 33-bit clock of a broadcast counts from before zero, where it wraps within
    the file. 0 where no time is known.
    """
    streams = [*container.streams.audio, *video_streams(container)]
    starts = [
        float(stream.start_time * stream.time_base)
        for stream in streams
        if stream.start_time is not None
    ]
    earliest_s = min(starts, default=0.0)
    return earliest_s if is_broadcast(container.format.name) else max(0.0, earliest_s)


def is_broadcast(container_format: str) -> bool:
    """True for the formats whose clocks wrap, and jump where programmes are joined."""
    return bool(BROADCAST_FORMATS & set(container_format.split(",")))


def video_streams(container: InputContainer) -> list[VideoStream]:
    """The streams of moving pictures: cover art and thumbnails of chapters are none."""
    no_video = Disposition.attached_pic | Disposition.timed_thumbnails
    return [stream for stream in container.streams.video if not stream.disposition & no_video]


def shown_stream(container: InputContainer) -> VideoStream | None:
    """The video stream that a player picks: FFmpeg's choice, else a default one, else the largest;
    None: no video.

    A stream without a decoder is the choice only where there is no other.
    """
    streams = video_streams(container)
    decodable = [stream for stream in streams if stream.codec_context is not None]
    best = container.streams.best("video")
    for stream in decodable:
        if best is not None and stream.index == best.index:
            return stream
    by_rank = sorted(
        decodable, key=lambda s: (not s.disposition & Disposition.default, -s.width * s.height)
    )
    return next(iter([*by_rank, *streams]), None)


def packets_of(
    container: InputContainer, stream: Stream, *, failures: list[str] | None = None
) -> Iterator[Packet]:
    """Packets with something in them; reading goes on after an error, as long as something follows.

    Where nothing follows and the end of the file is not reached, the reason is added to `failures`.
    """
    errors, reason = 0, ""
    while errors < MOST_READ_ERRORS:
        try:
            for packet in container.demux(stream):
                if packet.size:
                    errors = 0
                    yield packet
            return
        except (av.error.FFmpegError, IndexError) as error:
            # IndexError: PyAV, where a damaged file names a new stream
            errors += 1
            reason = (getattr(error, "strerror", None) or "a damaged file").lower()
    if failures is not None:
        failures.append(reason)


class Pictures(NamedTuple):
    """The video track that is shown; its rate is measured on the packets' times, headers are not to
    be trusted.
    """

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
            video = shown_stream(container)
            sounds = tuple(map(Sound.of, container.streams.audio))
            tracks = Tracks(container.format.name, video and _pictures(container, video), sounds)
    except av.error.FFmpegError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise InputError(
            f"{path}: not a recording or video that FFmpeg can read ({reason})"
        ) from error
    # tty: text, drawn as pictures
    if tracks.container == "tty" or (tracks.pictures is None and not tracks.sounds):
        raise InputError(
            f"{path}: neither pictures nor sound in this file (read as {tracks.container})"
        )
    return tracks


def _pictures(container: InputContainer, stream: VideoStream) -> Pictures:
    packets = list(packets_of(container, stream))
    # In AVI FFmpeg makes up the times of showing.
    by_dts = container.format.name == "avi"
    stamps = [packet.dts if by_dts or packet.pts is None else packet.pts for packet in packets]
    times_s = sorted(float(stamp * stream.time_base) for stamp in stamps if stamp is not None)
    spread_s = times_s[-1] - times_s[0] if times_s else 0.0
    fps = (
        (len(times_s) - 1) / spread_s
        if spread_s > 0
        else float(stream.guessed_rate or 0) * (len(packets) > 1)
    )
    if stream.codec_context is None:  # no decoder: the header's size is not known either
        return Pictures("unknown", 0, 0, len(packets), fps)
    return Pictures(stream.codec_context.name, stream.width, stream.height, len(packets), fps)
