"""Batches from shards, with grain: random cuts for training, whole clips for evaluation.

The content of training batch n (clips, cuts, augmentation) is a function of the seed and of n
alone. The iterator's state is its position. A restored iterator therefore returns exactly the
batches of the uninterrupted one, also in the middle of an epoch, for any number of threads, workers
or hosts.
"""

import dataclasses
import functools
import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ksdiff_jax.config import DataConfig
from ksdiff_jax.data.batch import collate
from ksdiff_jax.data.description import PathLike
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.shards import ShardReader
from ksdiff_jax.data.transforms import FeaturesOf
from ksdiff_jax.errors import InputError
from ksdiff_jax.log_lines import held_back
from ksdiff_jax.typing import Int, PyTree

# suppresses the warning, before jaxlib 0.11 as on Colab, that its workers cannot be profiled
with held_back("absl", below=logging.ERROR):
    import grain

Row = PyTree  # a row of a batch: the result of `System.example`
Rows = PyTree  # a batch, rows stacked

BATCHES_AHEAD = 4
EPOCHS = 2**24  # more than any run needs
# Whole clips are padded to a multiple of this, so that evaluation compiles a few programs instead
# of one per clip.
BUCKET_FRAMES = 64


@dataclasses.dataclass(frozen=True)
class ShuffledEpochs(Sequence[Clip]):
    """A sequence of epochs over all clips, each in its own order: item i is number i mod n of epoch
    i div n.

    The order of an epoch is that of n raw numbers of Philox, which every version of NumPy generates
    identically. grain's own shuffle needs no memory but 60 µs per clip, as long as reading a clip;
    eight bytes per clip are acceptable.
    """

    reader: Sequence[Clip]
    seed: int

    def __len__(self) -> int:
        return EPOCHS * len(self.reader)

    def __getitem__(self, number: int) -> Clip:
        epoch, place = divmod(number, len(self.reader))
        return self.reader[int(_epoch_order(self.seed, epoch, len(self.reader))[place])]


def training_reader(folder: PathLike, *, data: DataConfig) -> ShardReader:
    """Return the clips of the training split of a data set."""
    return ShardReader(
        folder,
        "train",
        on_bad_record=data.on_bad_record,
        bad_record_share=data.bad_record_share,
    )


@functools.lru_cache(maxsize=16)  # several sources, each at the end of one epoch and in the next
def _epoch_order(seed: int, epoch: int, clips: int) -> Int[np.ndarray, "n"]:
    numbers = np.random.Philox(np.random.SeedSequence([seed, epoch])).random_raw(clips)
    return np.argsort(numbers, kind="stable")


@dataclasses.dataclass(frozen=True)
class RandomCut(grain.transforms.RandomMap):
    """Converts a clip to a training row of a system; `example` is its `System.example`.

    `features_of` returns the cached speech features of a clip.
    """

    example: Callable[..., Row]
    frames: int
    features_of: FeaturesOf | None = None

    def random_map(self, element: Clip, rng: np.random.Generator) -> Row:
        features = None if self.features_of is None else self.features_of(element)
        return self.example(element, self.frames, rng=rng, features=features)


def training_batches(
    cut: RandomCut,
    clips: Sequence[Clip],
    *,
    data: DataConfig,
    seed: int,
    host: int = 0,
    hosts: int = 1,
) -> "TrainingBatches":
    """Return an endless iterator over batches of random cuts of an endless sequence of clips
    (`ShuffledEpochs`, or a `Mixture` of several), as NumPy arrays.

    Each batch contains those of its `data.batch_size` rows that belong to this host. The order of
    all clips and their cuts is the same on all hosts: row r of batch k is item k · batch_size + r
    of that sequence. Of n hosts the first has the first n-th of the rows, and so on, in the order
    of the global batch. Hosts therefore share no clip, an epoch omits none, and batch k of any
    number of hosts is the same, row by row.

    The caller must close the iterator. Its position continues the sequence on any number of hosts
    and of worker processes. Raise `InputError` if the batch size is not a multiple of the hosts.
    """
    rows, rest = divmod(data.batch_size, hosts)
    if rest or not 0 <= host < hosts:
        raise InputError(
            f"data.batch_size {data.batch_size} for host {host} of {hosts}: need a "
            "multiple of the hosts"
        )
    batches = grain.MapDataset.source(clips).seed(seed).random_map(cut)
    if hosts > 1:
        batches = RowsOfHost(batches, rows=rows, host=host, hosts=hosts)
    batches = batches.batch(rows, batch_fn=collate)
    return TrainingBatches(batches, threads=data.threads, workers=data.workers)


class RowsOfHost(grain.MapDataset[Row]):
    """The rows of one host, of a sequence that is divided into batches of hosts · rows examples."""

    def __init__(self, whole: "grain.MapDataset[Row]", *, rows: int, host: int, hosts: int):
        super().__init__(whole)
        self._whole, self._rows, self._host, self._hosts = whole, rows, host, hosts

    def __len__(self) -> int:
        return len(self._whole) // (self._rows * self._hosts) * self._rows

    def __getitem__(self, index: int) -> Row:
        batch, row = divmod(index, self._rows)
        return self._whole[(batch * self._hosts + self._host) * self._rows + row]


class TrainingBatches(Iterator[Rows]):
    """The batches of a `grain.MapDataset` in their order, read ahead by threads or worker
    processes.

    The state is the number of the next batch. grain's own state is that of each worker, so it is
    invalid for another number of workers.
    """

    def __init__(self, batches: "grain.MapDataset[Rows]", *, threads: int, workers: int):
        self._batches, self._threads, self._workers = batches, threads, workers
        self._next, self._reading = 0, None

    def __next__(self) -> Rows:
        # created here, so that workers do not start before a position is restored
        if self._reading is None:
            self._reading = self._from(self._next)
        batch = next(self._reading)
        self._next += 1
        return batch

    def get_state(self) -> dict[str, int]:
        """Return the position as a JSON value."""
        return {"next_index": self._next}

    def set_state(self, state: dict[str, int]) -> None:
        """Continue from this position."""
        self.close()
        self._next = int(state["next_index"])

    def close(self) -> None:
        """End threads and workers; the next batch would start them again."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _from(self, first: int) -> "grain.DatasetIterator[Rows]":
        options = grain.ReadOptions(num_threads=self._threads, prefetch_buffer_size=BATCHES_AHEAD)
        batches = self._batches.slice(slice(first, None)).to_iter_dataset(options)
        if self._workers:
            _mark_flags_parsed()
            options = grain.MultiprocessingOptions(num_workers=self._workers)
            batches = batches.mp_prefetch(options, worker_init_fn=_end_with_parent)
        return iter(batches)


def _end_with_parent(worker: int, workers: int) -> None:
    """End a worker when its parent ends. grain ends workers when the iterator is closed, which a
    killed parent does not do.
    """

    def wait_for_the_end() -> None:
        multiprocessing.parent_process().join()
        os._exit(0)

    threading.Thread(target=wait_for_the_end, name="end-with-parent", daemon=True).start()


def evaluation_batches(
    example: Callable[..., Row],
    clips: Sequence[Clip],
    *,
    batch_size: int,
    features_of: FeaturesOf | None = None,
) -> Iterator[tuple[Rows, list[Clip]]]:
    """Yield whole clips, shortest first, in batches of one padded length, with the clips of each.

    `example` is `System.example`. Every batch has `batch_size` rows, so that few programs are
    compiled; rows beyond its clips repeat the last clip.
    """
    buckets: dict[int, list[Clip]] = {}
    for clip in clips:
        buckets.setdefault(_bucket(clip.frames), []).append(clip)
    for frames in sorted(buckets):
        for first in range(0, len(buckets[frames]), batch_size):
            some = buckets[frames][first : first + batch_size]
            rows = [
                example(clip, frames, features=None if features_of is None else features_of(clip))
                for clip in some
            ]
            yield collate(rows + [rows[-1]] * (batch_size - len(rows))), some


def _bucket(frames: int) -> int:
    return -(-frames // BUCKET_FRAMES) * BUCKET_FRAMES


def _mark_flags_parsed() -> None:
    """Mark the absl flags as parsed: grain's workers read them, and only absl programs parse
    them.
    """
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
