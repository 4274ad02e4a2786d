"""Selects a few clips that represent a split: spread over its languages and lengths.

| rule | |
|---|---|
| languages | in turn, the one with the most clips first; an exhausted one is skipped |
| lengths | of n clips in order of length, k are numbers ⌊(i + ½) n / k⌋, i = 0 … k − 1 |
| order | language by language in turn, so that the first few also differ in language |

The selection depends on the clips alone. In a split with more than `MOST_CONSIDERED` clips only
that many of them, evenly spaced, are considered, so that a large data set is not read twice.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from ksdiff_jax.data.schema import Clip

MOST_CONSIDERED = 2048


def spread_clips(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Return at most `count` of the clips of a split, in the order of a reader."""
    by_language: dict[str, list[tuple[float, str, int]]] = {}
    for position, clip in _looked_at(clips):
        known = clip.duration_s, clip.clip_id, position
        by_language.setdefault(clip.language, []).append(known)
    languages = sorted(by_language, key=lambda name: (-len(by_language[name]), name))
    taken = shares({name: len(by_language[name]) for name in languages}, count)
    chosen = {
        name: [sorted(by_language[name])[place][2] for place in _places(len(by_language[name]), k)]
        for name, k in taken.items()
    }
    turns = range(max(taken.values(), default=0))
    return [clips[chosen[name][i]] for i in turns for name in languages if i < taken[name]]


def clips_named(clips: Sequence[Clip], ids: Sequence[str]) -> list[Clip] | None:
    """Return the clips of these ids, in this order; None if one is not among those considered."""
    wanted, found = set(ids), {}
    for position, clip in _looked_at(clips):
        if clip.clip_id in wanted:
            found[clip.clip_id] = position
            if len(found) == len(wanted):
                return [clips[found[name]] for name in ids]
    return None


def _looked_at(clips: Sequence[Clip]) -> Iterator[tuple[int, Clip]]:
    count = min(len(clips), MOST_CONSIDERED)
    return ((position, clips[position]) for position in _places(len(clips), count))


def _places(of: int, count: int) -> list[int]:
    """Return `count` different indices below `of`, evenly spaced."""
    return [int((2 * i + 1) * of // (2 * count)) for i in np.arange(count)]


def shares(sizes: dict[str, int], count: int) -> dict[str, int]:
    """Return the number of clips to take of each kind (language, source), adding one in turn until
    there are `count`.
    """
    taken = Counter(dict.fromkeys(sizes, 0))
    left = min(count, sum(sizes.values()))
    while left:
        for name in sizes:
            if left and taken[name] < sizes[name]:
                taken[name] += 1
                left -= 1
    return dict(taken)
