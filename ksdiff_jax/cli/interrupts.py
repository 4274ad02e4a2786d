"""Ctrl-C and SIGTERM of a program: the blocks that remove unfinished files are left, then the
process ends with status 130 or 143.

Python raises the exception of a signal wherever its main thread is. In a callback of the garbage
collector, of which JAX has one, the exception is printed and lost; the work would go on. Here it is
raised again. While a library is imported, it becomes an `ImportError`; `ends` recognises that. A
second signal, `_SAME_S` or more after the first, ends the process at once.

The process ends without the interpreter's own shutdown: threads of a library that still compute
would meet freed memory there, which was seen as a segmentation fault.
"""

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SAME_S = 1.0  # a terminal and a parent process may both send one
_AGAIN_S = 0.05  # until the callback that lost the exception has returned


class Interrupts:
    """The handler of the signals of this process, and of exceptions that callbacks lose."""

    def __init__(self):
        self.number: int | None = None  # of the first signal
        self._received_s = 0.0
        self._again = False

    def install(self) -> None:
        """Handle the signals; this is called once, in the main thread."""
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as of `nohup`, or in a shell's &
                signal.signal(number, self._handle)
        self._unraisable, sys.unraisablehook = sys.unraisablehook, self._lost

    def ends(self, error: BaseException) -> bool:
        """Return whether an exception ends the process because of a signal."""
        return isinstance(error, KeyboardInterrupt) or self.number is not None

    @property
    def status(self) -> int:
        """The exit status."""
        return 128 + (signal.SIGINT if self.number is None else self.number)

    def _handle(self, number: int, frame: object) -> None:
        if self.number is not None and not self._again:
            if time.monotonic() - self._received_s >= _SAME_S:
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)
            return
        if not self._again:
            self.number, self._received_s = number, time.monotonic()
        self._again = False
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(self.status)

    def _lost(self, unraisable) -> None:
        if self.number is None or not issubclass(
            unraisable.exc_type, KeyboardInterrupt | SystemExit
        ):
            self._unraisable(unraisable)
            return
        timer = threading.Timer(_AGAIN_S, self._raise_again)
        timer.daemon = True
        timer.start()

    def _raise_again(self) -> None:
        self._again = True
        if hasattr(signal, "pthread_kill"):  # the main thread may wait, and must wake
            signal.pthread_kill(threading.main_thread().ident, self.number)
        else:
            _thread.interrupt_main(self.number)


def leave(status: int) -> NoReturn:
    """End this process and its child processes with a status, and without the interpreter's
    shutdown; what was printed is flushed.
    """
    if "multiprocessing" in sys.modules:
        import multiprocessing

        for child in multiprocessing.active_children():
            child.terminate()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(status)
