"""The one exception that means "the caller can fix this", and the warning that work goes on
although something is odd.

The command line turns an `InputError` into a single line on standard error and exit status 2; every
other exception is ours and keeps its traceback. The message says what was got, what is needed and
what to do. It shows a `Notice` as a line too.
"""

import contextlib
import errno
import os
from collections.abc import Iterator


class InputError(ValueError):
    """A path, option, file or value that the caller gave cannot be used; the message is one clear
    line.
    """

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in a notebook, in place of a traceback."""
        return [f"ksdiff-jax: {self}"]


class Notice(UserWarning):
    """Something was repaired, cut or left out; the message says what, in words for the caller."""


# What the system says of a path that nobody can use as it was given.
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
    """Raise an `OSError` about a path that is too long, not permitted or the like as an
    `InputError` that names it.
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
    """A checkpoint cannot be read, or an array in it is not what was saved; the message
    names it.
    """


def first_line(error: BaseException, *, limit: int = 200) -> str:
    """What an error of another library says, in one line of at most `limit` characters; its type if
    it says nothing.
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:limit]
