"""What a plain decode by FFmpeg plays of a file, errors passed over: the judge of what may be
refused.
"""

from collections.abc import Iterator
from pathlib import Path

import av


def decoded(path: Path, kind: str) -> Iterator[av.AudioFrame | av.VideoFrame]:
    """The frames of the first stream of a kind, "audio" or "video", that has a decoder; none where
    there is no such.
    """
    try:
        with av.open(f"file:{path}", metadata_errors="ignore") as container:
            streams = [
                stream
                for stream in getattr(container.streams, kind)
                if stream.codec_context is not None
            ]
            for packet in container.demux(streams[:1]) if streams else ():
                try:
                    yield from packet.decode()
                except av.error.FFmpegError:
                    continue
    except (av.error.FFmpegError, IndexError):
        # IndexError: PyAV, where a damaged file names a new stream
        return


def opens(path: Path) -> bool:
    """Whether FFmpeg opens the file at all, and finds sound in it."""
    try:
        with av.open(f"file:{path}", metadata_errors="ignore") as container:
            return bool(container.streams.audio)
    except av.error.FFmpegError:
        return False
