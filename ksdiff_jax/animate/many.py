"""Thousands of recordings in bounded memory: they are read ahead by threads, collected to batches
of one padded length, and sampled.

    items -> read_ahead (threads, in order) -> in_batches (one bucket each) -> sample

`Animator.each` and `ksdiff-jax animate` use the same functions. A recording that cannot be used
does not stop the others: its `InputError` takes its place.
"""

import os
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from ksdiff_jax.errors import InputError, paths_as_input

if TYPE_CHECKING:  # they are slow to import
    from ksdiff_jax.animate.motion import Motion
    from ksdiff_jax.speech.reading import SpeechSource
    from ksdiff_jax.speech.utterance import Utterance

MOST_THREADS = 4
HELD_FRAMES = 60_000  # motion frames that wait for a batch: 40 min of speech, 150 MB of sound

Item = TypeVar("Item")
Read = TypeVar("Read")


@runtime_checkable
class Animating(Protocol):
    """What `motions_of` uses of an `Animator`, which imports this module."""

    batch_size: int

    def options(self, **options) -> object: ...

    def bucket(self, frames: int) -> int: ...

    def read(self, speech: "SpeechSource") -> "Utterance": ...

    def animate(self, utterances: "Sequence[Utterance]", **options) -> "list[Motion]": ...


def reader_threads() -> int:
    """Return the number of threads that read recordings on this machine."""
    return max(1, min(MOST_THREADS, os.cpu_count() or 1))


def read_ahead(
    items: Iterable[Item], read: Callable[[Item], Read], *, threads: int
) -> Iterator[tuple[Item, Read | InputError]]:
    """Yield every item with `read(item)`, or with the `InputError` that it raised, in the order of
    the items.

    `threads` threads read at most twice as many items ahead. Any other exception ends the iteration
    and is raised.
    """

    def attempt(item: Item) -> Read | InputError:
        try:
            with paths_as_input():
                return read(item)
        except InputError as error:
            return error

    waiting: deque[tuple[Item, Future]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="read")
    try:
        for item in items:
            waiting.append((item, pool.submit(attempt, item)))
            if len(waiting) > 2 * threads:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def in_batches(
    items: Iterable[Item],
    *,
    bucket_of: Callable[[Item], Hashable],
    frames_of: Callable[[Item], int],
    size: int,
    held_frames: int = HELD_FRAMES,
) -> Iterator[list[Item]]:
    """Yield lists of at most `size` items of one bucket.

    A bucket is yielded when it has `size` items. If the waiting items have more than `held_frames`
    motion frames in total, the bucket with the most frames is yielded as it is. At the end the rest
    is yielded.
    """
    waiting: dict[Hashable, list[Item]] = {}
    held: dict[Hashable, int] = {}
    for item in items:
        bucket = bucket_of(item)
        waiting.setdefault(bucket, []).append(item)
        held[bucket] = held.get(bucket, 0) + frames_of(item)
        if len(waiting[bucket]) < size:
            if sum(held.values()) <= held_frames:
                continue
            bucket = max(held, key=held.get)
        held.pop(bucket)
        yield waiting.pop(bucket)
    yield from waiting.values()


def filled(rows: Sequence[Item], size: int) -> list[Item]:
    """Return the rows, filled with copies of the last one to a multiple of `size`, so that every
    batch of a bucket has one shape and is compiled once.
    """
    return [*rows, *[rows[-1]] * (-len(rows) % size)]


def motions_of(
    animator: Animating,
    speeches: "Iterable[SpeechSource]",
    *,
    seed: int,
    batch_size: int | None,
    read: "Callable[[SpeechSource], Utterance] | None",
    options: Mapping,
) -> "Iterator[tuple[SpeechSource, Motion | InputError]]":
    """Yield the pairs of `Animator.each`."""
    animator.options(**options)  # a wrong option is refused before any work
    size = animator.batch_size if batch_size is None else batch_size
    if size < 1:
        raise InputError(f"batch_size {size}: need at least 1")
    return _motions(animator, speeches, size, read or animator.read, {"seed": seed, **options})


def _motions(
    animator: Animating,
    speeches: "Iterable[SpeechSource]",
    size: int,
    read: "Callable[[SpeechSource], Utterance]",
    options: dict,
) -> "Iterator[tuple[SpeechSource, Motion | InputError]]":
    unused: list = []

    def usable() -> Iterator[tuple]:
        for speech, found in read_ahead(speeches, read, threads=reader_threads()):
            if isinstance(found, InputError):
                unused.append((speech, found))
            else:
                yield speech, found

    batches = in_batches(
        usable(),
        bucket_of=lambda item: animator.bucket(item[1].frames),
        frames_of=lambda item: item[1].frames,
        size=size,
    )
    for batch in batches:
        rows = filled([utterance for _, utterance in batch], size)
        motions = animator.animate(rows, batch_size=size, **options)
        yield from zip([speech for speech, _ in batch], motions, strict=False)
        while unused:
            yield unused.pop(0)
    yield from unused
