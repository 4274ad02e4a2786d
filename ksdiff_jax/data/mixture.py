"""Several data sets as one sequence of clips, mixed by weight.

Item i of the sequence belongs to one source, and it is an item of that source's own sequence of
shuffled epochs (data/loader.py). With p_s the weight of source s over the sum of the weights from s
on, the sources are taken one after the other:

    c = ⌊(i + 1) p_s⌋ - ⌊i p_s⌋        1: item i is item ⌊i p_s⌋ of source s
                                       0: it is item i - ⌊i p_s⌋ of the sources after s

so of the first n items of two sources the first has ⌊n p⌋ exactly, and every batch has nearly the
same share. The place of an item is a function of i and the weights alone, in whole numbers: a
position, a number of hosts or of workers changes nothing of it. A source of weight 0 has no item.

The statistics of a mixture are those of its training rows. With shares p, means m and variances v
of the sources:

    m = Σ p_s m_s        v = Σ p_s (v_s + m_s²) - m²
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from ksdiff_jax.config import DataConfig
from ksdiff_jax.data.description import DatasetInfo, PathLike, dataset_info
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.shards import ShardReader
from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import Float

# Shares are rounded to this fraction, so that the place of an item is computed in whole numbers.
SHARE_STEPS = 1 << 32


@dataclass(frozen=True)
class OfSource(Sequence[Clip]):
    """The clips of one source; each of them has its name as `Clip.data_set`."""

    clips: Sequence[Clip]
    name: str

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, number: int) -> Clip:
        return replace(self.clips[number], data_set=self.name)


class Mixture(Sequence[Clip]):
    """One endless sequence of the clips of several endless ones, `weights` of each."""

    def __init__(self, sources: Sequence[Sequence[Clip]], weights: Sequence[float]):
        kept = [(source, weight) for source, weight in zip(sources, weights, strict=True) if weight]
        self._sources = [source for source, _ in kept]
        self._shares = _shares_of_rest([weight for _, weight in kept])

    def __len__(self) -> int:
        return min(len(source) for source in self._sources)

    def __getitem__(self, number: int) -> Clip:
        source, item = self.place(number)
        return self._sources[source][item]

    def place(self, number: int) -> tuple[int, int]:
        """Return the source of an item, among those with a weight, and its number in it."""
        for source, share in enumerate(self._shares):
            before = number * share // SHARE_STEPS
            if (number + 1) * share // SHARE_STEPS > before:
                return source, before
            number -= before
        raise AssertionError("the last share is whole")


def _shares_of_rest(weights: Sequence[float]) -> list[int]:
    """Return the share of each source of what the sources before it left, in `SHARE_STEPS`; the
    last one is whole.
    """
    exact = [Fraction(weight) for weight in weights]
    return [
        max(1, round(SHARE_STEPS * weight / sum(exact[place:])))
        for place, weight in enumerate(exact)
    ]


def pooled_moments(
    infos: Sequence[DatasetInfo], weights: Sequence[float]
) -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]:
    """Return mean and standard deviation of the training rows of a mixture; of one source, its own
    unchanged.
    """
    drawn = [(info, weight) for info, weight in zip(infos, weights, strict=True) if weight]
    if len(drawn) == 1:
        return np.array(drawn[0][0].mean), np.array(drawn[0][0].std)
    share = np.array([weight for _, weight in drawn])[:, None] / math.fsum(w for _, w in drawn)
    means, stds = (np.array([getattr(info, name) for info, _ in drawn]) for name in ("mean", "std"))
    mean = (share * means).sum(axis=0)
    variance = (share * (stds**2 + (means - mean) ** 2)).sum(axis=0)
    return mean, np.sqrt(variance)


def speakers_by_split(
    folders: Mapping[str, PathLike], *, data: DataConfig
) -> dict[str, dict[str, set[str]]]:
    """Return the speakers of each split of each source by its name.

    Raise `InputError` if two sources have the same clip, in any split: it would be trained on more
    often than its weight states, or both trained on and validated on. Clips are the same if they
    have the same sound. Every record is read once.
    """
    reading = {"on_bad_record": data.on_bad_record, "bad_record_share": data.bad_record_share}
    known: dict[bytes, tuple[str, str]] = {}
    speakers = {}
    for source, folder in folders.items():
        own: dict[bytes, tuple[str, str]] = {}
        speakers[source] = {split: set() for split in dataset_info(folder).splits}
        for split, present in speakers[source].items():
            for clip in ShardReader(folder, split, **reading):
                present.add(clip.speaker_id)
                sound = hashlib.sha256(clip.audio.tobytes()).digest()
                own[sound] = source, clip.clip_id
                if sound in known:
                    other, name = known[sound]
                    raise InputError(
                        f"data.sources: clip {clip.clip_id!r} of {source} is clip {name!r} of "
                        f"{other}; name each data set once, or prepare one without the clips of "
                        "the other"
                    )
        known |= own
    return speakers
