"""Assigns speakers to splits, so that no speaker is in two splits.

A speaker's place is a number in [0, 1) hashed from seed and name alone. Below `held_out` it is
test, below twice that val. A speaker therefore keeps its split when others are added. With few
speakers the hash may hold out none; then the nearest speaker is held out, if at least two are left
for training. Published splits have priority. They are by clip, and what they leave open (the val of
VoxCeleb's dev) is decided by the hash.
"""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

SPLITS = ("train", "val", "test")
FEWEST_TRAINED_ON = 2  # speakers


def speaker_place(speaker_id: str, *, seed: int) -> float:
    """Return a uniform number in [0, 1) that depends on the speaker and the seed only."""
    digest = hashlib.sha256(f"{seed}/{speaker_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


class SplitRule(NamedTuple):
    """The rule that determines the split of a source."""

    held_out: float = 0.05  # of the speakers, for val and again for test
    seed: int = 0
    published: Mapping[str, str] = MappingProxyType({})  # the split by source id, if published


DEFAULT_RULE = SplitRule()


def assign_splits(speakers: Mapping[str, str], rule: SplitRule) -> dict[str, str]:
    """Return the split by source id. `speakers` is the speaker by source id; train is never left
    empty.
    """
    held_out, seed, published = rule
    chosen = set(published.values())
    splits = {}
    for source_id, speaker in speakers.items():
        split = published.get(source_id)
        place = speaker_place(speaker, seed=seed)
        if split is None:
            # With a published test set, no other speaker is tested on.
            split = "val" if place < 2 * held_out else "train"
            if place < held_out and "test" not in chosen:
                split = "test"
        elif split == "train" and "val" not in chosen and place < held_out:
            split = "val"
        splits[source_id] = split
    if held_out > 0 and not published:
        for split in ("val", "test"):
            _fill(splits, speakers, split, seed=seed)
    if splits and "train" not in splits.values():
        last = max(
            (speakers[source_id] for source_id in splits),
            key=lambda name: speaker_place(name, seed=seed),
        )
        splits |= {source_id: "train" for source_id in splits if speakers[source_id] == last}
    return splits


def _fill(splits: dict[str, str], speakers: Mapping[str, str], split: str, *, seed: int) -> None:
    """Move the training speaker with the lowest place to an empty split, if there are three or more
    training speakers.
    """
    training = sorted(
        {speakers[source_id] for source_id, chosen in splits.items() if chosen == "train"},
        key=lambda name: speaker_place(name, seed=seed),
    )
    if split not in splits.values() and len(training) >= FEWEST_TRAINED_ON + 1:
        splits |= {source_id: split for source_id in splits if speakers[source_id] == training[0]}
