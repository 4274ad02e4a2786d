from ksdiff_jax.data.shards import ShardReader
from ksdiff_jax.evaluate.held_out import held_out_corpus
from tests.evaluate.pretend import talking_clip


def test_the_held_out_clips_are_made_once_and_hold_only_their_split(tmp_path):
    asked = []

    def clips_of(split, recipe, *, count):
        asked.append((split, count, *recipe))
        return [talking_clip(number) for number in range(count)]

    options = {"clips": 3, "languages": ("en",), "clips_of": clips_of}
    first = held_out_corpus(tmp_path, split="test", **options)
    assert held_out_corpus(tmp_path, split="test", **options) == first
    assert asked == [("test", 3, 0, ("en",), ("espeak",), "phonetic")]
    assert len(ShardReader(first, "test")) == 3
    assert held_out_corpus(tmp_path, split="test", seed=1, **options) != first
    assert held_out_corpus(tmp_path, split="val", **options) != first
