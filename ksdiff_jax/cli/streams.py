"""Makes standard input, output and error usable if they are closed, full, disconnected or of a
limited encoding.

A closed stream is replaced by the null device. Otherwise the first file that a command opens gets
the number 1 or 2, and what a library writes to standard error corrupts the caller's results. A
character that a stream's encoding lacks is written as an escape (`\\u65e5`).
"""

import contextlib
import os
import sys
from io import TextIOBase, UnsupportedOperation


def repair_streams() -> None:
    """Make the three streams of this process usable; call this once, before anything is opened."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(null, number)
    if null > 2:
        os.close(null)
    # Python sets closed streams to None.
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        escape_unsupported(stream)


def escape_unsupported(stream: TextIOBase) -> None:
    """Make `stream` write an escape for a character that its encoding lacks instead of raising."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")


def supports_unicode(stream: TextIOBase | None) -> bool:
    """Return whether every character can be written to `stream` unchanged."""
    return (
        (getattr(stream, "encoding", None) or "utf-8")
        .lower()
        .replace("-", "")
        .replace("_", "")
        .startswith("utf")
    )


def put(line: str) -> None:
    """Write a line to standard output; if its reader has exited (`| head`), continue without
    output.
    """
    try:
        print(line, flush=True)
    except BrokenPipeError:
        discard(sys.stdout)


def put_error(line: str) -> None:
    """Write a line to standard error; if that fails, ignore it, since there is no other place to
    report it.
    """
    if sys.stderr is None:  # `print` would use standard output
        return
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def flush_errors() -> None:
    """Flush standard error; if that fails, discard what is left, so that Python's flush at exit
    does not change the exit status.
    """
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        discard(sys.stderr)


def is_broken(stream: TextIOBase) -> bool:
    """Return whether a stream, and not a file, leads to a full disk or to a reader that has
    exited.
    """
    try:
        return os.write(stream.fileno(), b"\n") < 1
    except UnsupportedOperation:  # not a stream of the operating system
        return False
    except OSError:
        return True


def discard(stream: TextIOBase) -> None:
    """Send the unwritten output to the null device; otherwise Python would raise again when it
    flushes at exit.
    """
    null = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(UnsupportedOperation):
        os.dup2(null, stream.fileno())
    os.close(null)
