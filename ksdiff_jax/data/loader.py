"""Batches from shards, with grain: random cuts for training, whole clips for evaluation.

Everything random about training batch n (which clips, which cut, which augmentation) is a function
of the seed and of n alone. The iterator's state is its position, so a restored iterator continues
with exactly the batches that the uninterrupted one would have given, in the middle of an epoch too,
whatever the number of threads, workers or hosts.
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

# before jaxlib 0.11, as on Colab, that its workers cannot be profiled
with held_back("absl", below=logging.ERROR):
    import grain

Row = PyTree  # of a batch: whatever `System.example` returns
Rows = PyTree  # a batch, rows stacked

BATCHES_AHEAD = 4
EPOCHS = 2**24  # more than anybody trains
# Whole clips are padded to a multiple of this, so that evaluation compiles a few programs and not
# one per clip.
BUCKET_FRAMES = 64


@dataclasses.dataclass(frozen=True)
class ShuffledEpochs(Sequence[Clip]):
    """Epoch after epoch of all clips, each in an order of its own: clip i is number i mod n of
    epoch i div n.

    An order is that of n raw numbers of Philox, which every version of NumPy gives alike. grain's
    own shuffle needs no memory but 60 µs a clip, as long as reading one; eight bytes a clip are
    affordable.
    """

    reader: ShardReader
    seed: int

    def __len__(self) -> int:
        return EPOCHS * len(self.reader)

    def __getitem__(self, number: int) -> Clip:
        epoch, place = divmod(number, len(self.reader))
        return self.reader[int(_epoch_order(self.seed, epoch, len(self.reader))[place])]


@functools.lru_cache(maxsize=4)
def _epoch_order(seed: int, epoch: int, clips: int) -> Int[np.ndarray, "n"]:
    numbers = np.random.Philox(np.random.SeedSequence([seed, epoch])).random_raw(clips)
    return np.argsort(numbers, kind="stable")


@dataclasses.dataclass(frozen=True)
class RandomCut(grain.transforms.RandomMap):
    """A clip to a training row of a system: `example` is its `System.example`.

    `features_of` gives the kept speech features of a clip.
    """

    example: Callable[..., Row]
    frames: int
    features_of: FeaturesOf | None = None

    def random_map(self, element: Clip, rng: np.random.Generator) -> Row:
        features = None if self.features_of is None else self.features_of(element)
        return self.example(element, self.frames, rng=rng, features=features)


def training_batches(
    cut: RandomCut,
    folder: PathLike,
    *,
    data: DataConfig,
    seed: int,
    host: int = 0,
    hosts: int = 1,
) -> "TrainingBatches":
    """Endless batches of random cuts of the training split, NumPy arrays: of the `data.batch_size`
    rows those of one host of many.

    The order of all clips and their cuts is drawn once for everybody: row r of batch k is number k
    · batch_size + r of that sequence, and of n hosts the first has the first n-th of the rows, and
    so on, as they lie in a global batch. So hosts share no clip, an epoch leaves none out, and the
    k-th batch of any number of hosts is the same, row by row.

    The iterator is to be closed after use. Its position continues the sequence on any number of
    hosts and of worker processes.
    """
    reader = ShardReader(
        folder,
        "train",
        on_bad_record=data.on_bad_record,
        bad_record_share=data.bad_record_share,
    )
    rows, rest = divmod(data.batch_size, hosts)
    if rest or not 0 <= host < hosts:
        raise InputError(
            f"data.batch_size {data.batch_size} for host {host} of {hosts}: need a "
            "multiple of the hosts"
        )
    batches = grain.MapDataset.source(ShuffledEpochs(reader, seed)).seed(seed).random_map(cut)
    if hosts > 1:
        batches = RowsOfHost(batches, rows=rows, host=host, hosts=hosts)
    batches = batches.batch(rows, batch_fn=collate)
    return TrainingBatches(batches, threads=data.threads, workers=data.workers)


class RowsOfHost(grain.MapDataset[Row]):
    """Of a sequence that is cut into batches of hosts · rows examples, the rows of one host in
    each.
    """

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

    The state is the number of the next batch. grain's own is that of each worker, which fits no
    other number of them.
    """

    def __init__(self, batches: "grain.MapDataset[Rows]", *, threads: int, workers: int):
        self._batches, self._threads, self._workers = batches, threads, workers
        self._next, self._reading = 0, None

    def __next__(self) -> Rows:
        # only now, or workers would start in vain before a position is restored
        if self._reading is None:
            self._reading = self._from(self._next)
        batch = next(self._reading)
        self._next += 1
        return batch

    def get_state(self) -> dict[str, int]:
        """The position as a JSON value."""
        return {"next_index": self._next}

    def set_state(self, state: dict[str, int]) -> None:
        """Go on from there."""
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
    """Called in a worker: grain ends it when an iterator is closed, which a killed process does not
    come to do.
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
    """Whole clips, shortest first, in batches of one padded length, with the clips of each.

    `example` is `System.example`. Every batch has `batch_size` rows, so that few programs are
    compiled; rows beyond its clips repeat the last of them.
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
    """grain's workers read absl flags, which nobody parses outside an absl program."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
