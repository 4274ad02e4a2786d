"""Ends a run that hangs, and records where it hung.

A collective that waits for a lost network link, a file system that does not respond, a deadlock
between threads: none of them raises an error, and a cluster would keep the run until its time
limit. `Watchdog` is a thread that expects a call of `alive()` after every step. Without one for
`hang_s` seconds it writes the Python stacks of all threads to `<workdir>/hang-<host>-<process>.txt`
and to standard error, and ends the process with `EXIT_STATUS`. Launchers start the same command
again, and the run resumes from its last checkpoint. Time during which the process itself was
suspended does not count.
"""

import contextlib
import faulthandler
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

# EX_TEMPFAIL of sysexits.h: try again.
EXIT_STATUS = 75

# Restoring and the first step, which compiles, and a validation, which samples, may take this many
# times longer.
_SLOW = 3.0


class Watchdog:
    """A context manager; with `hang_s` 0 it does nothing."""

    def __init__(self, workdir: str | Path, *, hang_s: float):
        self._workdir, self._hang_s = Path(workdir), hang_s
        self._idle_s, self._allowed = 0.0, _SLOW
        self._steps = 0
        self._ended = threading.Event()

    def __enter__(self) -> "Watchdog":
        if self._hang_s > 0:
            threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ended.set()

    def alive(self) -> None:
        """Report that a step is done."""
        self._steps += 1
        self._idle_s, self._allowed = 0.0, 1.0

    @contextlib.contextmanager
    def patient(self) -> Iterator[None]:
        """A block that may take several times as long as a step: validation, drawing samples."""
        before = self._allowed
        self._idle_s, self._allowed = 0.0, _SLOW
        try:
            yield
        finally:
            self._idle_s, self._allowed = 0.0, before

    def _watch(self) -> None:
        pause_s = min(5.0, self._hang_s / 10)
        before = time.monotonic()
        while not self._ended.wait(pause_s):
            now = time.monotonic()
            # A gap far beyond the pause is one in which this process was suspended.
            self._idle_s += min(now - before, 2 * pause_s)
            before = now
            if self._idle_s > self._allowed * self._hang_s:
                self._give_up()

    def _give_up(self) -> None:
        headline = (
            f"no step for {self._idle_s:.0f} s (train.hang_s {self._hang_s:g}) after "
            f"{self._steps} steps of this process: it hangs, and ends with status {EXIT_STATUS}; "
            "the same command resumes from the last checkpoint"
        )
        try:
            faulthandler.dump_traceback(file=sys.__stderr__, all_threads=True)
            path = self._workdir / f"hang-{socket.gethostname()}-{os.getpid()}.txt"
            with path.open("w", encoding="utf-8") as file:
                print(headline, file=file, flush=True)
                faulthandler.dump_traceback(file=file, all_threads=True)
            print(f"{headline}; stacks in {path}", file=sys.__stderr__, flush=True)
        finally:
            os._exit(EXIT_STATUS)
