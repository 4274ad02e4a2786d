"""Recordings that come through a pipe: a FIFO, a process substitution, standard input.

A pipe can be read once and from its beginning only; formats need their end and their index too. So
it is copied into a temporary file, which stays until the process ends: the video's soundtrack reads
it again.
"""

import atexit
import os
import shutil
import stat
import tempfile
from pathlib import Path

from ksdiff_jax.errors import InputError

MOST_BYTES = 8 << 30
_BLOCK_BYTES = 1 << 20


def is_pipe(path: Path) -> bool:
    """True for a FIFO, or a socket that standard input comes from."""
    mode = path.stat().st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def copy_of_pipe(path: Path) -> Path:
    """A file with everything that comes through a pipe.

    Raises `InputError` where that is nothing, or too much.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="ksdiff-pipe."))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        copy = folder / path.name
        with path.open("rb") as pipe, copy.open("wb") as file:
            while block := pipe.read(_BLOCK_BYTES):
                file.write(block)
                if file.tell() > MOST_BYTES:
                    raise InputError(
                        f"{path}: more than {MOST_BYTES >> 30} GiB from a pipe; save it to a file "
                        "first"
                    )
    except OSError as error:
        raise InputError(
            f"{path}: this pipe cannot be copied to {os.fspath(tempfile.gettempdir())} "
            f"({error.strerror}); "
            "save the recording to a file"
        ) from error
    if not copy.stat().st_size:
        raise InputError(
            f"{path}: nothing came through this pipe (0 bytes); give a recording with sound in it"
        )
    return copy
