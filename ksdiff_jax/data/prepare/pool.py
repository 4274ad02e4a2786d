"""Processes sources in local worker processes, any of which may die.

Each worker gets one source at a time through its own pipe, writes the outcome into the ledger and
returns the short entry. If a worker is killed (memory, a decoder's crash), its sentinel reports
that at once. Its source is tried once more in a new worker and then rejected. A worker whose parent
has exited ends too, even while it works on a source.
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
WATCHDOG_S = 60.0  # time without an answer after which the workers themselves are checked
# The workers share the cores, so each computes with one thread.
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
    """Process one source and store its outcome.

    Raises only if the ledger cannot be written.
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
    """Yield the entries of all tasks (key, source) as they finish."""
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
    """A worker process and its current task."""

    def __init__(self, settings: Settings, ledger: Ledger, work: Work):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, settings, ledger, work), daemon=True
        )
        with _environment():
            self.process.start()
        theirs.close()  # so that its end closes here when the worker dies
        self.task: tuple[str, Source, int] | None = None

    def give(self, task: tuple[str, Source, int]) -> None:
        """Send a key and a source to the worker, and store the attempt."""
        self.task = task
        with suppress(OSError):  # if it died, `answer` reports that
            self.pipe.send(task[:2])

    def answer(self) -> Entry | Exception | None:
        """Return the worker's answer; None if it died."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(WATCHDOG_S)
            return None

    def end(self) -> None:
        """Stop the worker, even if it is busy."""
        self.pipe.close()
        self.process.terminate()
        self.process.join()


def _serve(pipe, settings: Settings, ledger: Ledger, work: Work) -> None:
    """The loop of a worker: it receives sources and sends entries until the other end is closed."""
    # The entry contains every error; output of libraries would be mixed with the lines of the
    # command.
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
        # the ledger cannot be written, and no other worker could write it
        except InputError as error:
            answer = error
        pipe.send(answer)


def _end_with_parent() -> None:
    """End with the parent: workers of a killed run must not continue for minutes and write into its
    work folder.
    """
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _sound_clips(outcome: Outcome) -> Outcome:
    """Return the outcome with clips that violate an invariant rejected, so that the others can be
    stored in a shard.
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
    """Set the environment variables of a worker, and restore them afterwards."""
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
