"""Locks on open files, which the system releases when the process ends in any way.

On Linux and macOS a lock is `flock` on the file; on Windows it is a lock on its first byte
(`msvcrt.locking`), which is untested. Disks without locks raise `OSError`.
"""

import errno
import time
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_RETRY_S = 0.1
# what `msvcrt.locking` raises if another process has the lock
_TAKEN = (errno.EACCES, errno.EDEADLK)


def take_at_once(file: IO) -> bool:
    """Return whether the lock on the open file was free; it is then kept until the file is
    closed.
    """
    if fcntl is None:
        return _take_first_byte(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def take_within(file: IO, seconds: float) -> bool:
    """Return whether the lock on the open file was free within this time; it is then kept until the
    file is closed.
    """
    until = time.monotonic() + seconds
    while not (taken := take_at_once(file)) and time.monotonic() < until:
        time.sleep(_RETRY_S)
    return taken


def take(file: IO) -> None:
    """Wait until the lock on the open file is free; it is then kept until the file is closed."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX)
        return
    while not _take_first_byte(file):
        time.sleep(_RETRY_S)


def _take_first_byte(file: IO) -> bool:
    import msvcrt

    file.seek(0)
    try:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True
