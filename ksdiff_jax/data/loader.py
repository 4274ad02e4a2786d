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
from collections.abc import Iterator, Sequence

import numpy as np

from ksdiff_jax.audio.prosody import log_energy, normalise_prosody
from ksdiff_jax.config import Config
from ksdiff_jax.data.augment import augment, lose_pitch
from ksdiff_jax.data.description import PathLike
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.shards import ShardReader
from ksdiff_jax.data.transforms import (
    Example,
    FeaturesOf,
    collate,
    example,
    random_start,
    raw_prosody,
)
from ksdiff_jax.errors import InputError
from ksdiff_jax.log_lines import held_back
from ksdiff_jax.models.system import Batch
from ksdiff_jax.typing import Float, Int

# before jaxlib 0.11, as on Colab, that its workers cannot be profiled
with held_back("absl", below=logging.ERROR):
    import grain

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
    """A clip to a random cut of it, its sound changed as `config.data.augment` says.

    `features_of` gives the kept speech features of a clip; they are those of its sound as recorded.
    """

    config: Config
    features_of: FeaturesOf | None = None

    def random_map(self, element: Clip, rng: np.random.Generator) -> Example:
        data = self.config.data
        if data.augment is not None and rng.random() < data.augment.pitch_loss:
            element = dataclasses.replace(element, prosody=lose_pitch(raw_prosody(element), rng))
        start = random_start(rng, clip_frames=element.frames, frames=data.clip_frames)
        max_tokens = self.config.model.transcript.max_tokens
        features = None if self.features_of is None else self.features_of(element)
        cut = example(
            element,
            start=start,
            frames=data.clip_frames,
            max_tokens=max_tokens,
            features=features,
            with_audio=features is None or data.augment is not None,
        )
        if data.augment is None:
            return cut
        samples = len(cut.audio) * int(cut.mask.sum()) // len(cut.mask)
        audio = np.zeros_like(cut.audio)
        audio[:samples] = augment(cut.audio[:samples], rng, config=data.augment)
        return cut._replace(
            audio=audio, prosody=_with_energy_of(audio[:samples], prosody=cut.prosody)
        )


def _with_energy_of(
    audio: Float[np.ndarray, "s"], *, prosody: Float[np.ndarray, "f 2"]
) -> Float[np.ndarray, "f 2"]:
    """Prosody whose energy is that of another recording: noise fills the pauses of this contour
    too.
    """
    energy = log_energy(audio)
    contour = np.zeros_like(prosody)
    contour[:, 0] = prosody[:, 0]
    contour[: len(energy), 1] = normalise_prosody(
        np.stack([np.zeros_like(energy), energy], axis=-1)
    )[:, 1]
    return contour


def training_batches(
    config: Config,
    folder: PathLike,
    *,
    seed: int,
    split: str = "train",
    features_of: FeaturesOf | None = None,
    host: int = 0,
    hosts: int = 1,
) -> "TrainingBatches":
    """Endless batches of random cuts, NumPy arrays: of the `config.data.batch_size` rows those of
    one host of many.

    The order of all clips and their cuts is drawn once for everybody: row r of batch k is number k
    · batch_size + r of that sequence, and of n hosts the first has the first n-th of the rows, and
    so on, as they lie in a global batch. So hosts share no clip, an epoch leaves none out, and the
    k-th batch of any number of hosts is the same, row by row.

    The iterator is to be closed after use. Its position continues the sequence on any number of
    hosts and of worker processes.
    """
    reader = ShardReader(
        folder,
        split,
        on_bad_record=config.data.on_bad_record,
        bad_record_share=config.data.bad_record_share,
    )
    if not len(reader):
        raise InputError(f"{folder}: split {split!r} is empty; training needs at least one clip")
    rows, rest = divmod(config.data.batch_size, hosts)
    if rest or not 0 <= host < hosts:
        raise InputError(
            f"data.batch_size {config.data.batch_size} for host {host} of {hosts}: need a "
            "multiple of the hosts"
        )
    batches = (
        grain.MapDataset.source(ShuffledEpochs(reader, seed))
        .seed(seed)
        .random_map(RandomCut(config, features_of))
    )
    if hosts > 1:
        batches = RowsOfHost(batches, rows=rows, host=host, hosts=hosts)
    batches = batches.batch(rows, batch_fn=collate)
    return TrainingBatches(batches, threads=config.data.threads, workers=config.data.workers)


class RowsOfHost(grain.MapDataset[Example]):
    """Of a sequence that is cut into batches of hosts · rows examples, the rows of one host in
    each.
    """

    def __init__(self, whole: "grain.MapDataset[Example]", *, rows: int, host: int, hosts: int):
        super().__init__(whole)
        self._whole, self._rows, self._host, self._hosts = whole, rows, host, hosts

    def __len__(self) -> int:
        return len(self._whole) // (self._rows * self._hosts) * self._rows

    def __getitem__(self, index: int) -> Example:
        batch, row = divmod(index, self._rows)
        return self._whole[(batch * self._hosts + self._host) * self._rows + row]


class TrainingBatches(Iterator[Batch]):
    """The batches of a `grain.MapDataset` in their order, read ahead by threads or worker
    processes.

    The state is the number of the next batch. grain's own is that of each worker, which fits no
    other number of them.
    """

    def __init__(self, batches: "grain.MapDataset[Batch]", *, threads: int, workers: int):
        self._batches, self._threads, self._workers = batches, threads, workers
        self._next, self._reading = 0, None

    def __next__(self) -> Batch:
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

    def _from(self, first: int) -> "grain.DatasetIterator[Batch]":
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
    clips: Sequence[Clip],
    *,
    config: Config,
    batch_size: int,
    features_of: FeaturesOf | None = None,
) -> Iterator[tuple[Batch, list[Clip]]]:
    """Whole clips, shortest first, clean, in batches of one padded length, with the clips of each.

    Every batch has `batch_size` rows, so that few programs are compiled; rows beyond its clips
    repeat the last of them.
    """
    buckets: dict[int, list[Clip]] = {}
    for clip in clips:
        buckets.setdefault(_bucket(clip.frames), []).append(clip)
    for frames in sorted(buckets):
        for first in range(0, len(buckets[frames]), batch_size):
            some = buckets[frames][first : first + batch_size]
            batch = _whole_clips(
                some, frames=frames, rows=batch_size, config=config, features_of=features_of
            )
            yield batch, some


def _whole_clips(
    clips: list[Clip], *, frames: int, rows: int, config: Config, features_of: FeaturesOf | None
) -> Batch:
    max_tokens = config.model.transcript.max_tokens
    examples = [
        example(
            clip,
            start=0,
            frames=frames,
            max_tokens=max_tokens,
            features=None if features_of is None else features_of(clip),
        )
        for clip in clips
    ]
    return collate(examples + [examples[-1]] * (rows - len(examples)))


def _bucket(frames: int) -> int:
    return -(-frames // BUCKET_FRAMES) * BUCKET_FRAMES


def _mark_flags_parsed() -> None:
    """grain's workers read absl flags, which nobody parses outside an absl program."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
