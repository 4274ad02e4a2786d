"""Handles SIGTERM and Ctrl-C: finish the step, save, and exit with the status that shells expect.

The first signal sets `StopRequest.signal`, which the loop checks after each step. Inside
`interruptible()`, where nothing is being changed (waiting for data, validation), it also raises
`Interrupted`, so the wait ends at once.

A compilation cannot be interrupted in this way. Python runs a signal's handler only when the main
thread returns from the compilation, minutes later, or has already run it during tracing, before the
compilation began. A second thread therefore also receives signals, through the wake-up pipe to
which the interpreter writes at once. If after `_PATIENCE_S` the main thread is still inside
`interruptible(save)` or `compiling()`, that thread saves and ends the process. On a second signal
it ends the process at once. The exit status is always 128 + signal number: 143 for SIGTERM and 130
for SIGINT.
"""

import contextlib
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from types import FrameType

# The promise is 10 seconds from signal to exit; saving needs the rest.
_PATIENCE_S = 3.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(Exception):
    """A signal arrived at a point where it is safe to stop at once."""


class StopRequest:
    """A context manager that catches SIGTERM and SIGINT in the main thread, and does nothing
    elsewhere.
    """

    def __init__(self):
        self.signal: signal.Signals | None = None
        # another process cannot read the batches of the next steps
        self.data_failure: Exception | None = None
        self._received = 0  # the first signal, stored by the handler
        self._may_raise = False
        self._rescue: Callable[[], None] | None = None
        # the other thread is saving; this one must not change anything
        self._leaving = False
        self._lock = threading.Lock()  # protects the two above
        self._previous: dict = {}
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            read_end, self._write_end = os.pipe()
            os.set_blocking(self._write_end, False)
            self._thread = threading.Thread(
                target=self._listen, args=(read_end,), name="signals", daemon=True
            )
            self._thread.start()
            self._previous_wakeup = signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
            for number in _SIGNALS:
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exc_info: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self._thread is not None:
            signal.set_wakeup_fd(self._previous_wakeup)
            os.close(self._write_end)  # ends the thread
            self._thread.join(timeout=1)

    @property
    def exit_status(self) -> int:
        """Return 0, or the exit status for the signal that arrived."""
        return 0 if self.signal is None else 128 + self.signal

    @property
    def asked(self) -> bool:
        """Return whether the run is to end before its last step."""
        return self.data_failure is not None or self.signal is not None

    def after_step(self, failure: BaseException | None = None) -> None:
        """Several processes agree here (agreement.py); a single process does nothing, and raises an
        error where it occurs.
        """

    @contextlib.contextmanager
    def interruptible(self, save: Callable[[], None] | None = None) -> Iterator[None]:
        """A block that a signal may end by raising `Interrupted`; `save` is called if the block
        does not end.
        """
        try:
            self._may_raise, self._rescue = True, save
            if self.signal is not None:
                raise Interrupted
            yield
        finally:
            self._may_raise = False
            self._end_block()

    @contextlib.contextmanager
    def compiling(self) -> Iterator[None]:
        """A block before which everything is saved: a signal that it does not handle ends the
        process.
        """
        self._rescue = lambda: None
        try:
            yield
        finally:
            self._end_block()

    def _end_block(self) -> None:
        with self._lock:
            self._rescue = None
        while self._leaving:  # until the other thread has saved and ends the process
            time.sleep(1)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._received = self._received or number
        self._answer()

    def _answer(self) -> None:
        self.signal = signal.Signals(self._received)
        if self._may_raise:
            raise Interrupted

    def _listen(self, read_end: int) -> None:
        """The loop of the second thread: exits on the second signal, or if the first one is not
        handled.
        """
        first, until = 0, None
        while True:
            left_s = None if until is None else max(0.0, until - time.monotonic())
            if not select.select([read_end], [], [], left_s)[0]:
                until = None
                with self._lock:
                    save = self._rescue
                    self._leaving = save is not None
                if save is not None:
                    self._leave(first, save)
                continue
            numbers = os.read(read_end, 64)
            if not numbers:
                os.close(read_end)
                return
            for number in numbers:
                if number not in _SIGNALS:  # from another handler
                    continue
                if first:
                    sys.stderr.write("\nsecond signal: exiting without saving\n")
                    sys.stderr.flush()
                    os._exit(128 + number)
                first, until = number, time.monotonic() + _PATIENCE_S

    def _leave(self, number: int, save: Callable[[], None]) -> None:
        status = 128 + number
        try:
            save()
            sys.stderr.write(
                f"\nstopped by {signal.Signals(number).name} while compiling; all steps taken are "
                "saved\n"
            )
        except BaseException:
            traceback.print_exc()
            status = 1
        sys.stderr.flush()
        os._exit(status)
