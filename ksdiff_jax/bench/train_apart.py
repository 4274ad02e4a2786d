"""The torch side of `ksdiff-jax bench train` in a separate process, as a torch user would run it.

In that process the C library's memory is not kept (heap.py), and the threads of the two frameworks
do not compete. The process reads weights and work from a file, and takes one step per line of its
standard input:

    python -m ksdiff_jax.bench.train_torch_side WORK.pickle THREADS        answers `done`
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ksdiff_jax.errors import InputError
from ksdiff_jax.heap import SWITCH


@contextmanager
def torch_apart(
    config, params, batch, space, *, threads: int, folder: Path
) -> Iterator[Callable[[], None]]:
    """Return a function that requests one step and waits for it, while the process runs."""
    import jax

    work = folder / "work.pickle"
    # our own file, read by our own code
    work.write_bytes(pickle.dumps((config, jax.device_get(params), batch, space)))
    command = [sys.executable, "-m", "ksdiff_jax.bench.train_torch_side", str(work), str(threads)]
    environment = os.environ | {SWITCH: "0", "JAX_PLATFORMS": "cpu"}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)

    def step() -> None:
        try:
            process.stdin.write("step\n")
            process.stdin.flush()
            done = process.stdout.readline()
        except BrokenPipeError:
            done = ""
        if not done:
            raise InputError(f"bench train: torch's process ended with status {process.wait()}")

    try:
        yield step
    finally:
        process.kill()
        process.communicate()
