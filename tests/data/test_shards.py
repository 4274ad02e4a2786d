"""Data sets on disk: what is written is read, statistics are NumPy's, and faults have names."""

import json
import pickle

import numpy as np
import pytest

from ksdiff_jax.data.shards import (
    ShardReader,
    dataset_info,
    statistics,
    verify_shards,
    write_dataset,
)
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.layout import CAMERA, EXPRESSION, JAW, ROTATION
from tests.data.clips import make_clip


@pytest.fixture
def folder(tmp_path):
    splits = {"train": (make_clip(i, frames=30 + i) for i in range(7)), "val": [make_clip(100)]}
    write_dataset(tmp_path / "set", splits, licence="CC0", made_by="a test", clips_per_shard=3)
    return tmp_path / "set"


def test_clips_come_back_by_number_across_shards(folder):
    reader = pickle.loads(pickle.dumps(ShardReader(folder, "train")))
    assert [clip.clip_id for clip in reader] == [f"clip-{i}" for i in range(7)]
    np.testing.assert_array_equal(reader[5].expression, make_clip(5, frames=35).expression)


def test_shards_are_named_and_described(folder):
    info = dataset_info(folder)
    assert info.splits["train"].shards == tuple(f"train-0000{i}-of-00003.tfrecord" for i in range(3))
    assert info.splits["train"].shard_clips == (3, 3, 1)
    assert info.splits["train"].hours == pytest.approx(sum(range(30, 37)) / 25 / 3600)
    assert (info.licence, info.made_by, info.fps, info.space) == ("CC0", "a test", 25.0, "flame")
    described = {name for split in info.splits.values() for name in split.shards}
    on_disk = {path.name for path in folder.iterdir()}
    assert on_disk == described | {name.replace("tfrecord", "index") for name in described} | {"dataset.json"}
    verify_shards(folder)


def test_a_split_that_fills_its_shards_has_no_empty_one(tmp_path):
    info = write_dataset(tmp_path / "s", {"train": map(make_clip, range(6))}, licence="", made_by="", clips_per_shard=3)
    assert info.splits["train"].shard_clips == (3, 3)


def test_statistics_are_those_of_the_training_split(folder):
    motion = np.concatenate([motion_of_clip(make_clip(i, frames=30 + i)) for i in range(7)]).astype(np.float64)
    found = statistics(folder)
    np.testing.assert_allclose(found.mean, motion.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.std[:56], motion.std(axis=0)[:56], rtol=1e-5)
    np.testing.assert_array_equal(found.std[CAMERA], 1.0)  # never moves


def test_motion_is_in_the_order_of_the_layout():
    clip = make_clip(1)
    motion = motion_of_clip(clip)
    for part, name in ((EXPRESSION, "expression"), (ROTATION, "rotation"), (JAW, "jaw"), (CAMERA, "camera")):
        np.testing.assert_array_equal(motion[:, part], getattr(clip, name))


def test_faults_of_a_data_set_have_names(folder, tmp_path):
    with pytest.raises(InputError, match="no split 'test'; there are train, val"):
        ShardReader(folder, "test")
    with pytest.raises(InputError, match="no data set here"):
        dataset_info(tmp_path)
    description = folder / "dataset.json"
    raw = json.loads(description.read_text())
    description.write_text(json.dumps(raw | {"schema": "ksdiff-clip/99"}))
    with pytest.raises(InputError, match="ksdiff-clip/99"):
        dataset_info(folder)
    description.write_text("{")
    with pytest.raises(InputError, match="not a data set description"):
        dataset_info(folder)


def test_a_flipped_bit_and_a_missing_shard_are_found(folder):
    shard = folder / "train-00001-of-00003.tfrecord"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    with pytest.raises(InputError, match=r"train-00001-of-00003\.tfrecord: record 1 at byte \d+ is damaged"):
        list(ShardReader(folder, "train"))
    with pytest.raises(InputError, match="SHA-256"):
        verify_shards(folder)
    shard.unlink()
    with pytest.raises(InputError, match="no such shard"):
        ShardReader(folder, "train")


def test_a_bad_clip_leaves_the_old_data_set_in_place(folder):
    bad = [make_clip(0), make_clip(1, fps=-1.0)]
    with pytest.raises(InputError, match="clip-1"):
        write_dataset(folder, {"train": bad}, licence="", made_by="")
    assert len(ShardReader(folder, "train")) == 7
    assert [path.name for path in folder.parent.iterdir()] == ["set"]
