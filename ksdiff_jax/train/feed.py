"""Batches on the devices, read ahead by a thread, each with the iterator's position after it.

    iterator.next() -> NumPy batch -> arrays on the mesh -> queue of two -> the training loop

While the device computes one batch, the next ones are decoded and copied. The iterator is therefore
ahead of training. A checkpoint stores the position of the last batch *used*, so a resumed run
continues with the one after it.
"""

import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from jax.sharding import Mesh

from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.transforms import FeaturesOf
from ksdiff_jax.motion.space import MotionSpace
from ksdiff_jax.parallel.arrays import global_batch
from ksdiff_jax.typing import PyTree


@runtime_checkable
class PositionedBatches(Protocol):
    """An endless iterator over NumPy batches whose position is a JSON value."""

    def __next__(self) -> PyTree: ...

    def get_state(self) -> dict: ...

    def set_state(self, state: dict) -> None: ...

    def close(self) -> None: ...


class ValidationBatch(NamedTuple):
    """Validation clips as NumPy arrays; rows beyond the clips of `ids` are copies."""

    batch: PyTree
    ids: Sequence[str]


class TrainingData(NamedTuple):
    """The data of a run."""

    batches: PositionedBatches
    validation: Sequence[ValidationBatch]  # of `clips`
    space: MotionSpace  # with the mean and deviation of the training split
    description: str  # for display: source and amount of the data
    clips: Sequence[Clip] = ()  # the validation clips
    # reads the cached speech features of validation clips, if the system can use them
    features_of: FeaturesOf | None = None
    source_digests: Sequence[str] = ()  # SHA-256 of the recordings that the data are made of


class FedBatch(NamedTuple):
    """A batch on the mesh, and the position of the iterator after it."""

    batch: PyTree
    position: dict


class BatchFeed:
    """Iterates over `FedBatch`; an error of the reading thread is raised in place of the batch.

    A batch is returned only once the `certain` batches after it are available; `failure` returns an
    error that many batches in advance. If the reader provides nothing for `patience_s` seconds,
    `RuntimeError` is raised, because a killed worker process reports nothing. The first batch may
    take `first_patience_s` seconds, in which workers start.
    """

    def __init__(
        self,
        batches: PositionedBatches,
        mesh: Mesh,
        *,
        ahead: int = 2,
        certain: int = 0,
        patience_s: float = 60.0,
        first_patience_s: float = 300.0,
    ):
        self._patience_s, self._next_patience_s = patience_s, max(first_patience_s, patience_s)
        self._queue: queue.Queue = queue.Queue(maxsize=ahead)
        self._certain, self._ready = certain, deque()
        self._batches = batches
        self._closed = threading.Event()
        self._thread = threading.Thread(
            target=self._read, args=(batches, mesh), name="batch-feed", daemon=True
        )
        self._thread.start()

    def __iter__(self) -> Iterator[FedBatch]:
        return self

    def __next__(self) -> FedBatch:
        self.look_ahead(self._certain + 1)
        if isinstance(item := self._ready[0], BaseException):
            raise item  # also on later calls: the error remains the end of the queue
        self._ready.popleft()
        return item

    def look_ahead(self, count: int) -> None:
        """Wait until the next `count` batches are available, or an error in place of one."""
        while len(self._ready) < count and self.failure is None:
            self._ready.append(self._read_one())

    @property
    def failure(self) -> BaseException | None:
        """Return the error in place of one of the next batches, or None if none is known."""
        last = self._ready[-1] if self._ready else None
        return last if isinstance(last, BaseException) else None

    def _read_one(self) -> FedBatch | BaseException:
        try:
            item = self._queue.get(timeout=self._next_patience_s)
        except queue.Empty:
            return RuntimeError(
                f"no training batch in {self._next_patience_s:.0f} s: a reader process was "
                "killed, or the disk does not respond; start the same command again, it resumes "
                "from the last checkpoint (data.workers 0 reads without processes)"
            )
        self._next_patience_s = self._patience_s
        return item

    def close(self) -> None:
        """Stop reading and close the iterator; a reader thread that hangs is not waited for and
        ends with the process.
        """
        self._closed.set()
        self._thread.join(timeout=1)
        if not self._thread.is_alive():
            self._batches.close()

    def _read(self, batches: PositionedBatches, mesh: Mesh) -> None:
        while not self._closed.is_set():
            try:
                batch = next(batches)
                item = FedBatch(batch=global_batch(batch, mesh), position=batches.get_state())
            except StopIteration:
                item = RuntimeError("the training data ended; training needs an endless iterator")
            except BaseException as error:  # passed to the training thread, which raises it
                item = error
            while not self._closed.is_set():
                try:
                    self._queue.put(item, timeout=0.1)
                    break
                except queue.Full:
                    continue
            if isinstance(item, BaseException):
                return
