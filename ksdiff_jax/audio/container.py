"""Opens a recording or video for reading; its tags may hold any bytes.

Tags are free text of unknown encoding. PyAV below 19 raises at bytes that are not UTF-8 unless it
is told to skip them. From 19 on it escapes such bytes and has no such option.
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
# By default FFmpeg probes only 5 MB and a few seconds; a track may begin later.
LONG_PROBE = {"probesize": str(256 << 20), "analyzeduration": str(600 * 1_000_000)}
MOST_READ_ERRORS = 16  # consecutive errors after which the rest of a file is not read
_MAJOR_VERSION = int(av.__version__.split(".")[0])


def open_container(path: str | Path) -> InputContainer:
    """Return an open container, to be used in a `with` statement.

    Raises `av.error.FFmpegError` if FFmpeg cannot read it.
    """
    options = {"metadata_errors": "ignore"} if _MAJOR_VERSION < 19 else {}
    # The explicit protocol makes FFmpeg treat a name such as `concat:...` or `http:...` as a file.
    container = av.open(f"file:{path}", **options)
    if not any(map(_format_unknown, container.streams)):
        return container
    container.close()
    return av.open(f"file:{path}", options=LONG_PROBE, **options)


def _format_unknown(stream: Stream) -> bool:
    """Return True for a track whose format is not known yet: formats without a header describe a
    track where it begins.
    """
    if stream.codec_context is None or stream.type not in ("audio", "video"):
        return False
    return not (stream.rate if stream.type == "audio" else stream.width)


def start_s(container: InputContainer) -> float:
    """Return the time at which a player starts the file, on the clock of its time stamps: the
    earliest start of its sound and pictures.

    Subtitles, data and cover art are ignored, and so is everything before time zero, because
    encoders put their delay there. Only the 33-bit clock of a broadcast counts from before zero: it
    wraps within the file. The result is 0 if no time is known.
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
    """Return True for the formats whose clocks wrap, and jump where programmes are joined."""
    return bool(BROADCAST_FORMATS & set(container_format.split(",")))


def video_streams(container: InputContainer) -> list[VideoStream]:
    """Return the streams of moving pictures, without cover art and thumbnails of chapters."""
    no_video = Disposition.attached_pic | Disposition.timed_thumbnails
    return [stream for stream in container.streams.video if not stream.disposition & no_video]


def shown_stream(container: InputContainer) -> VideoStream | None:
    """Return the video stream that a player selects: FFmpeg's choice, otherwise a default one,
    otherwise the largest; None if there is no video.

    A stream without a decoder is selected only if there is no other.
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
    """Yield packets that contain data; after an error, reading continues as long as packets follow.

    If nothing follows and the end of the file is not reached, the reason is added to `failures`.
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
            # PyAV raises IndexError if a damaged file refers to a new stream
            errors += 1
            reason = (getattr(error, "strerror", None) or "a damaged file").lower()
    if failures is not None:
        failures.append(reason)


class Pictures(NamedTuple):
    """The displayed video track. Its rate is measured from the packets' times, because headers are
    unreliable.
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
        """Read the fields from the stream's header; FFmpeg has no data for a track that it cannot
        decode.
        """
        if stream.codec_context is None:
            return cls("no decoder", 0, 0)
        return cls(stream.codec_context.name, stream.rate or 0, stream.channels)


class Tracks(NamedTuple):
    """The tracks of a recording or video file."""

    container: str
    pictures: Pictures | None
    sounds: tuple[Sound, ...]


def read_tracks(path: str | Path) -> Tracks:
    """Read the tracks of a file from its headers and packets; nothing is decoded.

    Raises `InputError` if FFmpeg cannot read the file or finds neither pictures nor sound in it.
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
    # For AVI, FFmpeg invents the presentation times.
    by_dts = container.format.name == "avi"
    stamps = [packet.dts if by_dts or packet.pts is None else packet.pts for packet in packets]
    times_s = sorted(float(stamp * stream.time_base) for stamp in stamps if stamp is not None)
    spread_s = times_s[-1] - times_s[0] if times_s else 0.0
    fps = (
        (len(times_s) - 1) / spread_s
        if spread_s > 0
        else float(stream.guessed_rate or 0) * (len(packets) > 1)
    )
    if stream.codec_context is None:  # no decoder: the size in the header is also unknown
        return Pictures("unknown", 0, 0, len(packets), fps)
    return Pictures(stream.codec_context.name, stream.width, stream.height, len(packets), fps)
