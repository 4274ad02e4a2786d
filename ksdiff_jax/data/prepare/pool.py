"""Sources worked on by local processes that may die without harm.

Each process gets one source at a time through its own pipe, writes the outcome into the ledger and
answers with the short entry. A process that is killed (memory, a decoder's crash) is noticed
through its sentinel at once; its source is tried once more, in a fresh process, and then rejected.
A process whose parent is gone ends, also in mid-work.
"""

import logging
import multiprocessing
import os
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait

from ksdiff_jax.data.prepare.ledger import Entry, Ledger
from ksdiff_jax.data.prepare.source import Outcome, Rejection, Settings, Source
from ksdiff_jax.data.prepare.work import Work, outcome_of, refused, work
from ksdiff_jax.data.schema import check_clip
from ksdiff_jax.errors import InputError

ATTEMPTS = 2
WATCHDOG_S = 60.0  # how long nothing may be heard before the processes themselves are looked at
# The processes share the cores between them, so each computes with one thread.
ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


def finish(
    key: str, source: Source, settings: Settings, ledger: Ledger, *, work: Work = work
) -> Entry:
    """Work on one source and keep what came of it.

    Raises only where the ledger cannot be written.
    """
    started = time.monotonic()
    outcome = _sound_clips(outcome_of(source, settings, work=work))
    return ledger.keep(key, source, outcome, work_s=time.monotonic() - started)


def finish_all(
    tasks: Sequence[tuple[str, Source]],
    settings: Settings,
    ledger: Ledger,
    *,
    processes: int,
    work: Work = work,
) -> Iterator[Entry]:
    """The entries of all tasks (key, source) as they are finished."""
    waiting = deque((key, source, 1) for key, source in tasks)
    workers: list[_Worker] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < processes:
                workers.append(_Worker(settings, ledger, work))
                workers[-1].give(waiting.popleft())
            heard = wait([worker.pipe for worker in workers], timeout=WATCHDOG_S)
            dead = (
                []
                if heard
                else [worker.pipe for worker in workers if not worker.process.is_alive()]
            )
            for worker in [worker for worker in workers if worker.pipe in (*heard, *dead)]:
                answer = worker.answer()
                if isinstance(answer, Exception):
                    raise answer
                if answer is not None:
                    yield answer
                    if waiting and worker.process.is_alive():
                        worker.give(waiting.popleft())
                        continue
                else:
                    key, source, attempt = worker.task
                    if attempt < ATTEMPTS:
                        waiting.appendleft((key, source, attempt + 1))
                    else:
                        yield ledger.keep(key, source, _killed(source, worker.process), work_s=0.0)
                workers.remove(worker)
                worker.end()
    finally:
        for worker in workers:
            worker.end()


class _Worker:
    """A process and what it is working on."""

    def __init__(self, settings: Settings, ledger: Ledger, work: Work):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, settings, ledger, work), daemon=True
        )
        with _environment():
            self.process.start()
        theirs.close()  # so that its end is seen here when the process dies
        self.task: tuple[str, Source, int] | None = None

    def give(self, task: tuple[str, Source, int]) -> None:
        """Send it a key and a source; the attempt is remembered here."""
        self.task = task
        with suppress(OSError):  # where it has died `answer` says so
            self.pipe.send(task[:2])

    def answer(self) -> Entry | Exception | None:
        """What the process says; None if it died."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(WATCHDOG_S)
            return None

    def end(self) -> None:
        """Stop the process, whatever it does."""
        self.pipe.close()
        self.process.terminate()
        self.process.join()


def _serve(pipe, settings: Settings, ledger: Ledger, work: Work) -> None:
    """What a process does: sources in, entries out, until the other end is closed."""
    # What goes wrong is in the entry; libraries would write across the lines of the command.
    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()
    while True:
        try:
            key, source = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            answer: Entry | Exception = finish(key, source, settings, ledger, work=work)
        except KeyboardInterrupt:
            return
        except InputError as error:  # the ledger cannot be written: nobody else will do better
            answer = error
        pipe.send(answer)


def _end_with_parent() -> None:
    """A killed run must not leave processes that go on for minutes and write into its work
    folder.
    """
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _sound_clips(outcome: Outcome) -> Outcome:
    """The outcome with clips that break an invariant rejected, so that a shard can hold all the
    others.
    """
    clips, rejections = [], list(outcome.rejections)
    for clip in outcome.clips:
        try:
            check_clip(clip)
            clips.append(clip)
        except InputError as error:
            rejections.append(Rejection(clip.clip_id, "failed", str(error)))
    return outcome._replace(clips=tuple(clips), rejections=tuple(rejections))


def _killed(source: Source, process) -> Outcome:
    detail = f"the process that worked on it died {ATTEMPTS} times (exit status {process.exitcode})"
    return refused(source, "failed", detail)


@contextmanager
def _environment() -> Iterator[None]:
    """The variables a process starts with, put back afterwards."""
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    flags = " ".join(filter(None, (before["XLA_FLAGS"], ENVIRONMENT["XLA_FLAGS"])))
    os.environ.update(ENVIRONMENT | {"XLA_FLAGS": flags})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
