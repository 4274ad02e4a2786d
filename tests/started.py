"""Processes that never outlive the test that started them."""

import subprocess
import time
from pathlib import Path

import pytest

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="processes are looked up in /proc"
)


class Started(subprocess.Popen):
    """A process that is killed at the end of the `with` block, if it still runs."""

    def __exit__(self, *exc_info: object) -> None:
        self.kill()
        super().__exit__(*exc_info)


def runs(pid: int) -> bool:
    """Whether there is such a process that has not ended; a zombie has, though nobody has asked for
    its status.
    """
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def outlasting(pids: list[int], *, patience_s: float) -> list[int]:
    """Those that still run after so many seconds; returns as soon as none does."""
    until = time.monotonic() + patience_s
    while (left := [pid for pid in pids if runs(pid)]) and time.monotonic() < until:
        time.sleep(0.05)
    return left
