"""Allows one run at a time in a workdir.

A second run would delete what the first is saving, and both would write into one log. The first
process of a run locks `<workdir>/.lock`; the system releases the lock when that process ends in any
way. A network disk without locks admits all runs.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from ksdiff_jax import locks
from ksdiff_jax.errors import InputError
from ksdiff_jax.parallel.distributed import any_process, is_main_process, several

# How long a start waits for the end of the previous run. With several processes (True), the
# remaining ones of the last start may take a minute to notice that one is gone.
PATIENCE_S = {False: 2.0, True: 90.0}


@contextlib.contextmanager
def exclusive_workdir(workdir: Path, *, tell: Callable[[str], None]) -> Iterator[None]:
    """Keep other runs out of the folder during the block; raise `InputError` if another run stays
    in it.
    """
    with contextlib.ExitStack() as stack:
        taken = False
        if is_main_process():
            with contextlib.suppress(OSError):
                lock = stack.enter_context((workdir / ".lock").open("ab"))
                taken = not _take(
                    lock, waiting=lambda: tell(f"{workdir}: waiting for the run in it to end")
                )
        if any_process(taken):
            raise InputError(
                f"{workdir}: another run is using this folder; let it end, or name another "
                "--workdir"
            )
        yield


def _take(lock: IO[bytes], *, waiting: Callable[[], None]) -> bool:
    """Return whether the lock was free, or became so in time; it is kept until the file is
    closed.
    """
    until, reported = time.monotonic() + PATIENCE_S[several()], False
    while True:
        if locks.take_at_once(lock):
            return True
        if time.monotonic() > until:
            return False
        if not reported:
            waiting()
        reported = True
        time.sleep(0.2)
