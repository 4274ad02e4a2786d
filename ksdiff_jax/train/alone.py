"""One run at a time in a workdir.

A second one would delete what the first is saving, and both would write into one log. The first
process of a run locks `<workdir>/.lock`; the system lets go of the lock when that process ends,
however it ends. A network disk without locks lets all in.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from ksdiff_jax import locks
from ksdiff_jax.errors import InputError
from ksdiff_jax.parallel.distributed import any_process, is_main_process, several

# How long a start waits for the end of the run before. Of several processes (True), those that are
# left of the last start may notice only after a minute that one is gone.
PATIENCE_S = {False: 2.0, True: 90.0}


@contextlib.contextmanager
def alone_in(workdir: Path, *, tell: Callable[[str], None]) -> Iterator[None]:
    """Keep other runs out of the folder as long as the block lasts; raises `InputError` if one is
    in it and stays.
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
                f"{workdir}: a run is going on in this folder; let it end, or name another "
                "--workdir"
            )
        yield


def _take(lock: IO[bytes], *, waiting: Callable[[], None]) -> bool:
    """Whether the lock was free, or became so in time; it is held until the file is closed."""
    until, told = time.monotonic() + PATIENCE_S[several()], False
    while True:
        if locks.take_at_once(lock):
            return True
        if time.monotonic() > until:
            return False
        if not told:
            waiting()
        told = True
        time.sleep(0.2)
