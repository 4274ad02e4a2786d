"""The exception for mistakes that the caller can correct, and the warning for repairs after which
work continues.

The command line converts an `InputError` to a single line on standard error and exit status 2.
Every other exception is an internal error and keeps its traceback. The message states what was got,
what is needed and what to do. A `Notice` is also shown as one line.
"""

import contextlib
import errno
import os
from collections.abc import Iterator


class InputError(ValueError):
    """A path, option, file or value from the caller cannot be used; the message is one clear
    line.
    """

    def _render_traceback_(self) -> list[str]:
        """Return the text that IPython shows in a notebook instead of a traceback."""
        return [f"ksdiff-jax: {self}"]


class Notice(UserWarning):
    """Something was repaired, cut or left out; the message describes it for the caller."""


# System errors about a path that cannot be used as given.
_OF_THE_PATH = {
    errno.ENAMETOOLONG,
    errno.EACCES,
    errno.EPERM,
    errno.ELOOP,
    errno.ENOTDIR,
    errno.EROFS,
    errno.EISDIR,
}


@contextlib.contextmanager
def paths_as_input() -> Iterator[None]:
    """Raise an `OSError` about a path that is too long, not permitted or similar as an `InputError`
    with the path.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _OF_THE_PATH or not isinstance(error.filename, str | bytes):
            raise
        reason = (error.strerror or type(error).__name__).lower()
        raise InputError(
            f"{os.fsdecode(error.filename)}: cannot be used ({reason}); name another path"
        ) from error


class CheckpointCorrupt(Exception):
    """A checkpoint cannot be read, or an array in it differs from what was saved; the message names
    it.
    """


def first_line(error: BaseException, *, limit: int = 200) -> str:
    """Return the message of another library's error in one line of at most `limit` characters; its
    type if it has no message.
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:limit]
