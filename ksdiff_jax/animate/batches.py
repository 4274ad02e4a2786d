"""Batches of windows: all batches of a bucket have one size, so that each compiles once.

    for group, samples in Runner(system, params, mesh, buckets).run(jobs, batch_size):
        ...                                     # a Sample of NumPy arrays for each Job of the group

A batch is split over the devices of the mesh. The compiled function is cached per system and shape.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ksdiff_jax.animate.windows import Window
from ksdiff_jax.models.system import Sample, System
from ksdiff_jax.parallel.arrays import batch_sharding, replicated
from ksdiff_jax.parallel.programs import kept_program
from ksdiff_jax.speech.utterance import (
    Speech,
    Utterance,
    cut_utterance,
    pad_utterance,
    stack_rows,
)
from ksdiff_jax.typing import Array, Int, Key, PyTree

FRAMES_PER_BATCH = 2048  # motion frames, if no batch size is given


class Job(NamedTuple):
    """One window of one sample of an utterance."""

    item: int  # index of the utterance in the caller's list
    window: Window
    utterance: Utterance
    key: Key[Array, ""]


class Runner(NamedTuple):
    """A system and its parameters on the devices of a mesh."""

    system: System
    params: PyTree
    mesh: Mesh
    buckets: tuple[int, ...]  # padded lengths in motion frames, increasing

    def run(
        self, jobs: list[Job], batch_size: int | None
    ) -> Iterator[tuple[list[Job], list[Sample]]]:
        """Yield the jobs in batches, each with its samples. The windows of every utterance stay in
        order.

        `batch_size` None: as many windows as make `FRAMES_PER_BATCH` frames.
        """
        for bucket, size, group in self._batches(jobs, batch_size):
            yield group, self._sampled(group, bucket, size)

    def run_rows(self, rows: list[Speech], jobs: list[Job]) -> list[Sample]:
        """Return the samples of rows of one bucket, each cut to its window; those after the last
        job fill the batch. They are split over the devices unless they are computed in turn.
        """
        missing = len(rows) - len(jobs)
        keys = jnp.stack([job.key for job in jobs] + [jobs[-1].key] * missing)
        starts = [job.window.start for job in jobs] + [0] * missing
        inputs = (stack_rows(rows), keys, np.array(starts, np.int32))
        sharding = batch_sharding(self.mesh) if len(rows) > 1 else replicated(self.mesh)
        sample = jax.device_get(
            _sample(self.params, *jax.device_put(inputs, sharding), system=self.system)
        )
        return [
            jax.tree.map(lambda array, row=row, job=job: array[row, : job.window.frames], sample)
            for row, job in enumerate(jobs)
        ]

    def _batches(
        self, jobs: list[Job], batch_size: int | None
    ) -> Iterator[tuple[int, int, list[Job]]]:
        """Yield (bucket, size, jobs): at most `size` jobs of one bucket; all batches of a bucket
        have the same size.
        """
        by_bucket: dict[int, list[Job]] = {}
        for job in jobs:
            by_bucket.setdefault(bucket_of(job.window.frames, self.buckets), []).append(job)
        for bucket, group in by_bucket.items():
            limit = batch_size or max(1, FRAMES_PER_BATCH // bucket)
            size = min(limit, 1 << (len(group) - 1).bit_length())
            if size > 1:
                size = -(-size // self.mesh.size) * self.mesh.size
            for start in range(0, len(group), size):
                yield bucket, size, group[start : start + size]

    def _sampled(self, group: list[Job], bucket: int, size: int) -> list[Sample]:
        """Sample a batch of windows, filled with copies of the last one, and cut each result to its
        window.
        """
        filled = [*group, *[group[-1]] * (size - len(group))]
        rows = [row_of_window(job, bucket) for job in filled]
        return self.run_rows(rows, group)


def row_of_window(job: Job, frames: int) -> Speech:
    """Return a window padded to `frames` motion frames, as one row of a batch."""
    return pad_utterance(cut_utterance(job.utterance, *job.window), frames)


def bucket_of(frames: int, buckets: tuple[int, ...]) -> int:
    """Return the padded length for `frames` motion frames, at most the last bucket."""
    return next(bucket for bucket in buckets if frames <= bucket)


@kept_program("system")
def _sample(
    params: PyTree,
    speech: Speech,
    keys: Key[Array, "b"],
    first: Int[Array, "b"],
    *,
    system: System,
) -> Sample:
    """Return `System.sample`, compiled once per system and shape."""
    return system.sample(params, speech, keys, first)
