"""Several data sets as one: every item's place, the statistics, and clips that two of them have."""

import numpy as np
import pytest

from ksdiff_jax.config import DataConfig
from ksdiff_jax.data.loader import ShuffledEpochs, training_reader
from ksdiff_jax.data.mixture import Mixture, OfSource, pooled_moments, speakers_by_split
from ksdiff_jax.data.shards import dataset_info, write_dataset
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system
from ksdiff_jax.models.ksdiff.config import Config
from tests.data.clips import make_clip

WEIGHTS = (0.5, 0.2, 0.3)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three data sets of 3, 5 and 2 clips, each with its own speaker."""
    paths, first = [], 0
    for name, count in (("a", 3), ("b", 5), ("c", 2)):
        path = tmp_path_factory.mktemp("data") / name
        clips = [make_clip(first + i, speaker_id=f"of {name}") for i in range(count)]
        write_dataset(path, {"train": clips}, licence="", made_by="")
        paths.append(path)
        first += count
    return paths


def of_folders(folders, seed=0):
    return [
        ShuffledEpochs(OfSource(training_reader(path, data=DataConfig()), path.name), seed)
        for path in folders
    ]


def test_of_any_first_items_each_source_has_its_share_and_its_own_items_in_order(folders):
    mixture = Mixture(of_folders(folders), WEIGHTS)
    places = [mixture.place(number) for number in range(1000)]
    for source, weight in enumerate(WEIGHTS):
        mine = [item for s, item in places if s == source]
        assert mine == list(range(len(mine)))
        counts = np.cumsum([s == source for s, _ in places])
        assert np.abs(counts - weight * np.arange(1, 1001)).max() < 2


def test_a_source_of_weight_zero_has_no_item_and_an_only_one_has_all(folders):
    two = Mixture(of_folders(folders[:2]), (0.0, 2.0))
    assert {two[number].data_set for number in range(9)} == {"b"}
    far = 2**40 + 12345
    assert Mixture(of_folders(folders[:1]), (0.3,)).place(far) == (0, far)


def test_items_of_a_mixture_know_their_source_and_pass_through_its_epochs(folders):
    mixture = Mixture(of_folders(folders), WEIGHTS)
    clips = [mixture[number] for number in range(40)]
    assert {(clip.data_set, clip.speaker_id) for clip in clips} == {
        (name, f"of {name}") for name in "abc"
    }
    epoch = [clip.clip_id for clip in clips if clip.data_set == "b"][:5]
    assert sorted(epoch) == [f"clip-{number}" for number in range(3, 8)]


def test_hosts_and_positions_give_the_rows_of_one_host(folders):
    from ksdiff_jax.data.loader import RandomCut, training_batches

    data = DataConfig(batch_size=4, clip_frames=20)
    cut = RandomCut(build_system(Config(data=data)).example, 20)

    def batches(host, hosts):
        clips = Mixture(of_folders(folders, seed=3), WEIGHTS)
        return training_batches(cut, clips, data=data, seed=3, host=host, hosts=hosts)

    alone, two = batches(0, 1), [batches(host, 2) for host in range(2)]
    for _ in range(3):
        whole = next(alone).motion
        np.testing.assert_array_equal(whole, np.concatenate([next(b).motion for b in two]))
    state = alone.get_state()
    expected = next(alone).motion
    again = batches(0, 1)
    again.set_state(state)
    np.testing.assert_array_equal(next(again).motion, expected)
    for iterator in (alone, again, *two):
        iterator.close()


def test_pooled_moments_are_those_of_rows_drawn_by_weight(folders):
    infos = [dataset_info(path) for path in folders]
    mean, std = pooled_moments(infos, WEIGHTS)
    rows = [
        np.concatenate([motion_of_clip(c) for c in training_reader(path, data=DataConfig())])
        for path in folders
    ]
    expected = sum(w * part.mean(axis=0) for w, part in zip(WEIGHTS, rows, strict=True))
    square = sum(w * (part**2).mean(axis=0) for w, part in zip(WEIGHTS, rows, strict=True))
    np.testing.assert_allclose(mean, expected, atol=1e-6)
    moving = slice(0, 56)  # the camera stands still: deviation 1 by definition
    deviation = np.sqrt(square - expected**2)
    np.testing.assert_allclose(std[moving], deviation[moving], rtol=1e-4)
    assert pooled_moments(infos, (0.0, 1.0, 0.0))[0].tolist() == list(infos[1].mean)


def test_a_clip_that_two_sources_have_is_refused_with_both_names(folders, tmp_path):
    named = {path.name: path for path in folders}
    assert speakers_by_split(named, data=DataConfig())["b"] == {"train": {"of b"}}
    same = make_clip(4, clip_id="another name")
    write_dataset(tmp_path / "d", {"val": [make_clip(99), same]}, licence="", made_by="")
    with pytest.raises(InputError, match="'another name' of d is clip 'clip-4' of b"):
        speakers_by_split(named | {"d": tmp_path / "d"}, data=DataConfig())
