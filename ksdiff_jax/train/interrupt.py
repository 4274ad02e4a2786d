"""SIGTERM and Ctrl-C: finish the step, save, leave with the status that shells expect.

The first signal sets `StopRequest.signal`, which the loop looks at after each step. Inside `interruptible()`, where
nothing is being changed (waiting for data, validation), it also raises `Interrupted`, so the wait ends at once. A
second signal leaves the process on the spot. Exit status: 128 + signal number, 143 for SIGTERM and 130 for SIGINT.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType


class Interrupted(Exception):
    """A signal arrived where it is safe to stop at once."""


class StopRequest:
    """A context manager that catches SIGTERM and SIGINT in the main thread, and nothing elsewhere."""

    def __init__(self):
        self.signal: signal.Signals | None = None
        self._may_raise = False
        self._previous: dict = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exc_info: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @property
    def exit_status(self) -> int:
        """0, or what the process should exit with after the signal that arrived."""
        return 0 if self.signal is None else 128 + self.signal

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """A block that a signal may end by raising `Interrupted`."""
        self._may_raise = True
        try:
            if self.signal is not None:
                raise Interrupted
            yield
        finally:
            self._may_raise = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            sys.stderr.write("\nsecond signal: leaving without saving\n")
            sys.stderr.flush()
            os._exit(128 + number)
        self.signal = signal.Signals(number)
        if self._may_raise:
            raise Interrupted
