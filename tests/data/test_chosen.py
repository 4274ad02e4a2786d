"""A few clips that represent a split."""

from collections import Counter

from ksdiff_jax.data import chosen
from ksdiff_jax.data.chosen import clips_named, spread_clips
from tests.data.clips import make_clip


def clips_of(**languages):
    """So many clips of each language, of all lengths, in no order of length."""
    names = [name for name, count in languages.items() for _ in range(count)]
    return [
        make_clip(i, frames=10 + i * 7 % len(names), language=name) for i, name in enumerate(names)
    ]


def test_every_language_is_represented_and_a_rare_one_gives_what_it_has():
    clips = clips_of(en=20, de=9, zh=1)
    assert Counter(clip.language for clip in spread_clips(clips, 3)) == {"en": 1, "de": 1, "zh": 1}
    assert Counter(clip.language for clip in spread_clips(clips, 9)) == {"en": 4, "de": 4, "zh": 1}
    assert Counter(clip.language for clip in spread_clips(clips, 1)) == {"en": 1}


def test_the_lengths_of_a_language_are_evenly_spread():
    clips = clips_of(en=12)
    lengths = sorted(clip.frames for clip in clips)
    found = [clip.frames for clip in spread_clips(clips, 3)]
    assert found == [lengths[2], lengths[6], lengths[10]]  # the middle of each third


def test_neighbours_in_the_choice_differ_in_language():
    found = [clip.language for clip in spread_clips(clips_of(en=20, de=9), 6)]
    assert found == ["en", "de"] * 3


def test_the_choice_is_the_same_each_time_whatever_the_order_of_the_split():
    clips = clips_of(en=8, de=5)
    ids = [clip.clip_id for clip in spread_clips(clips, 5)]
    assert ids == [clip.clip_id for clip in spread_clips(clips[::-1], 5)]
    assert len(set(ids)) == 5


def test_a_small_split_is_chosen_whole_and_an_empty_one_gives_nothing():
    clips = clips_of(en=2, de=1)
    assert sorted(c.clip_id for c in spread_clips(clips, 9)) == sorted(c.clip_id for c in clips)
    assert spread_clips([], 3) == [] == spread_clips(clips, 0)


def test_of_a_large_split_some_are_looked_at(monkeypatch):
    monkeypatch.setattr(chosen, "MOST_CONSIDERED", 4)
    clips = clips_of(en=12)
    seen = {clips[position].clip_id for position in (1, 4, 7, 10)}
    assert {clip.clip_id for clip in spread_clips(clips, 12)} == seen
    assert {clip.clip_id for clip in spread_clips(clips, 2)} < seen


def test_clips_are_found_by_name_in_the_order_asked_for():
    clips = clips_of(en=5)
    names = [clips[3].clip_id, clips[0].clip_id]
    assert [clip.clip_id for clip in clips_named(clips, names)] == names
    assert clips_named(clips, [*names, "nobody"]) is None
