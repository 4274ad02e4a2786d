"""Standard input, output and error as a command finds them: closed, full, gone, or of an encoding
of their own.

A stream that is closed becomes the null device. Otherwise the first file that a command opens gets
the number 1 or 2, and what a library writes to standard error goes into the caller's results. A
character that a stream's encoding lacks is written as an escape (`\\u65e5`).
"""

import contextlib
import os
import sys
from io import TextIOBase, UnsupportedOperation


def repair_streams() -> None:
    """Make the three streams of this process usable; called once, before anything is opened."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(null, number)
    if null > 2:
        os.close(null)
    # Python has set the streams that were closed to None.
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        escape_what_it_lacks(stream)


def escape_what_it_lacks(stream: TextIOBase) -> None:
    """Let `stream` write an escape for a character that its encoding lacks, and raise nothing."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")


def takes_unicode(stream: TextIOBase | None) -> bool:
    """Whether every character can be written to `stream` as it is."""
    return (
        (getattr(stream, "encoding", None) or "utf-8")
        .lower()
        .replace("-", "")
        .replace("_", "")
        .startswith("utf")
    )


def put(line: str) -> None:
    """Write a line to standard output; where its reader has gone (`| head`), the work goes on
    without one.
    """
    try:
        print(line, flush=True)
    except BrokenPipeError:
        drop(sys.stdout)


def put_error(line: str) -> None:
    """Write a line to standard error; where it cannot be written, there is no other place to report
    that.
    """
    if sys.stderr is None:  # `print` would take standard output
        return
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        drop(sys.stderr)


def settle_errors() -> None:
    """Flush standard error; where that fails, nothing is left for Python to flush at exit with a
    status of its own.
    """
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        drop(sys.stderr)


def fails(stream: TextIOBase) -> bool:
    """Whether a stream, and not a file, leads to a disk that is full or to a reader that
    has gone.
    """
    try:
        return os.write(stream.fileno(), b"\n") < 1
    except UnsupportedOperation:  # no stream of the system's
        return False
    except OSError:
        return True


def drop(stream: TextIOBase) -> None:
    """Send what is still to be written to the null device; Python would raise again when it flushes
    at exit.
    """
    null = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(UnsupportedOperation):
        os.dup2(null, stream.fileno())
    os.close(null)
