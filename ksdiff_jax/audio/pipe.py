"""Reads recordings from a pipe: a FIFO, a process substitution, standard input.

A pipe can be read only once and from its beginning, but formats also need their end and their
index. The pipe is therefore copied into a temporary file. The file is kept until the process ends,
because the video's soundtrack reads it again.
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
    """Return True for a FIFO, or a socket connected to standard input."""
    mode = path.stat().st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def copy_of_pipe(path: Path) -> Path:
    """Return a file with everything that is read from a pipe.

    Raises `InputError` if the pipe delivers nothing, or too much.
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
            f"({error.strerror}); save the recording to a file"
        ) from error
    if not copy.stat().st_size:
        raise InputError(
            f"{path}: this pipe delivered no data (0 bytes); give a recording with sound in it"
        )
    return copy
