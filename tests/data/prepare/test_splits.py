"""Splits: disjoint by speaker, stable, never without a training set, and as published if a split
is.
"""

from ksdiff_jax.data.prepare.splits import SplitRule, assign_splits, speaker_place

SPEAKERS = {f"s{speaker}/{clip}": f"s{speaker}" for speaker in range(2000) for clip in range(2)}


def split(speakers, **options):
    return assign_splits(speakers, SplitRule(**options))


def test_speakers_are_in_one_split_and_shares_are_as_asked():
    splits = split(SPEAKERS)
    by_speaker = {}
    for name, speaker in SPEAKERS.items():
        by_speaker.setdefault(speaker, set()).add(splits[name])
    assert all(len(found) == 1 for found in by_speaker.values())
    for name in ("val", "test"):
        share = sum(found == {name} for found in by_speaker.values()) / 2000
        assert abs(share - 0.05) < 4 * (0.05 * 0.95 / 2000) ** 0.5


def test_a_speaker_keeps_its_split_when_others_come_and_changes_with_the_seed():
    few = dict(list(SPEAKERS.items())[:600])
    everyone = split(SPEAKERS)
    assert all(everyone[name] == found for name, found in split(few).items())
    assert split(SPEAKERS, seed=1) != everyone


def test_train_is_never_empty():
    held_out = next(
        speaker for speaker in SPEAKERS.values() if speaker_place(speaker, seed=0) < 0.05
    )
    assert split({"a": held_out}) == {"a": "train"}


def test_few_speakers_are_held_out_too_while_two_are_left_to_train_on():
    def sizes(count):
        found = list(split({f"v{k}": f"speaker {k}" for k in range(count)}).values())
        return [found.count(name) for name in ("train", "val", "test")]

    assert sizes(1) == [1, 0, 0]
    assert sizes(2) == [2, 0, 0]
    assert sizes(3) == [2, 1, 0]
    assert sizes(4) == [2, 1, 1]
    assert split({"a": "a", "b": "b", "c": "c"}, held_out=0.0) == dict.fromkeys("abc", "train")


def test_published_splits_come_first_and_a_published_test_set_stays_alone():
    published = {name: "test" if speaker == "s7" else "train" for name, speaker in SPEAKERS.items()}
    splits = split(SPEAKERS, published=published)
    assert {SPEAKERS[name] for name, found in splits.items() if found == "test"} == {"s7"}
    assert {"train", "val", "test"} == set(splits.values())
