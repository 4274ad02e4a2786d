"""Opening a recording or video for reading, whatever bytes its tags hold.

Tags are free text of unknown encoding. PyAV below 19 stops at what is not UTF-8 unless told to skip it; from 19 on it
keeps such bytes escaped and knows no such option.
"""

from pathlib import Path

import av
from av.container import InputContainer

_MAJOR_VERSION = int(av.__version__.split(".")[0])


def open_container(path: str | Path) -> InputContainer:
    """An open container, to be used in a `with`. Raises `av.error.FFmpegError` where FFmpeg cannot read it."""
    options = {"metadata_errors": "ignore"} if _MAJOR_VERSION < 19 else {}
    # The explicit protocol keeps a file called `concat:...` or `http:...` a file.
    return av.open(f"file:{path}", **options)
