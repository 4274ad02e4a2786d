"""Data sets on disk: what is written is read, statistics equal NumPy's, and faults are named."""

import json
import pickle
import sys
import warnings

import numpy as np
import pytest

from ksdiff_jax.data.shards import (
    ShardReader,
    dataset_info,
    motion_space,
    verify_shards,
    write_dataset,
)
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.data.tfrecord import DataWarning, find_records
from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.space import CAMERA, EXPRESSION, JAW, ROTATION
from tests.data.clips import make_clip

METADATA = {"dataset.json", "dataset_info.json", "features.json"}


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
    assert info.splits["train"].shards == tuple(
        f"train-0000{i}-of-00003.tfrecord" for i in range(3)
    )
    assert info.splits["train"].shard_clips == (3, 3, 1)
    assert info.splits["train"].hours == pytest.approx(sum(range(30, 37)) / 25 / 3600)
    assert (info.licence, info.made_by, info.fps, info.space) == ("CC0", "a test", 25.0, "builtin")
    described = {name for split in info.splits.values() for name in split.shards}
    on_disk = {path.name for path in folder.iterdir()}
    assert (
        on_disk == described | {name.replace("tfrecord", "index") for name in described} | METADATA
    )
    verify_shards(folder)


def test_a_split_that_fills_its_shards_has_no_empty_one(tmp_path):
    info = write_dataset(
        tmp_path / "s",
        {"train": map(make_clip, range(6))},
        licence="",
        made_by="",
        clips_per_shard=3,
    )
    assert info.splits["train"].shard_clips == (3, 3)


def test_statistics_are_those_of_the_training_split(folder):
    motion = np.concatenate([motion_of_clip(make_clip(i, frames=30 + i)) for i in range(7)]).astype(
        np.float64
    )
    found = motion_space(dataset_info(folder), "builtin")
    np.testing.assert_allclose(found.mean, motion.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.std[:56], motion.std(axis=0)[:56], rtol=1e-5)
    np.testing.assert_array_equal(found.std[CAMERA], 1.0)  # never moves


def test_motion_is_in_the_order_of_the_layout():
    clip = make_clip(1)
    motion = motion_of_clip(clip)
    for part, name in (
        (EXPRESSION, "expression"),
        (ROTATION, "rotation"),
        (JAW, "jaw"),
        (CAMERA, "camera"),
    ):
        np.testing.assert_array_equal(motion[:, part], getattr(clip, name))


def test_faults_of_a_data_set_have_names(folder, tmp_path):
    with pytest.raises(InputError, match="no split 'test'; known are train, val"):
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
    with pytest.raises(
        InputError, match=r"train-00001-of-00003\.tfrecord: record 1 at byte \d+ is damaged"
    ):
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


def damage(shard, number):
    """Flip one bit in the middle of a record's data."""
    offset, length = find_records(shard)[0][number]
    data = bytearray(shard.read_bytes())
    data[offset + 12 + length // 2] ^= 1
    shard.write_bytes(data)


def test_a_bad_record_is_replaced_by_the_next_good_one_and_named(folder):
    whole = [clip.clip_id for clip in ShardReader(folder, "train")]
    damage(folder / "train-00000-of-00003.tfrecord", 1)
    damage(folder / "train-00000-of-00003.tfrecord", 2)
    with pytest.warns(
        DataWarning,
        match=r"2 of 7 records .* skipped: .*train-00000-of-00003\.tfrecord: record 1 at byte",
    ):
        reader = ShardReader(folder, "train", on_bad_record="skip", bad_record_share=0.3)
    assert len(reader.bad_records) == 2 and "record 2 at byte" in reader.bad_records[1]
    expected = [whole[0], whole[3], whole[3], *whole[3:]]
    assert [clip.clip_id for clip in pickle.loads(pickle.dumps(reader))] == expected
    with pytest.raises(
        InputError, match=r"2 of 7 records .* more than the share of 0\.01 .* record 1 at byte"
    ):
        ShardReader(folder, "train", on_bad_record="skip")


def test_the_last_record_s_stand_in_is_the_first(folder):
    damage(folder / "train-00002-of-00003.tfrecord", 0)
    with pytest.warns(DataWarning, match="1 of 7"):
        reader = ShardReader(folder, "train", on_bad_record="skip", bad_record_share=0.2)
    assert reader[6].clip_id == "clip-0" and len(reader) == 7


def test_a_truncated_shard_is_named_or_skipped_from_there(folder):
    shard = folder / "train-00001-of-00003.tfrecord"
    shard.write_bytes(shard.read_bytes()[:-5])
    with pytest.raises(
        InputError, match=r"train-00001-of-00003\.tfrecord: record 2 at byte \d+ is cut off"
    ):
        ShardReader(folder, "train")
    with pytest.warns(DataWarning, match="record 2 at byte"):
        reader = ShardReader(folder, "train", on_bad_record="skip", bad_record_share=0.2)
    assert reader[5].clip_id == "clip-6"


def test_a_stale_or_missing_index_is_rebuilt_and_said_once(folder):
    index = folder / "train-00001-of-00003.index"
    good = index.read_bytes()
    for fault, change in (
        ("stale", lambda: index.write_bytes(good[:-16])),
        ("missing", index.unlink),
    ):
        change()
        with pytest.warns(DataWarning, match=f"{fault}; rebuilt from the records, written anew"):
            assert len(ShardReader(folder, "train")) == 7
        assert index.read_bytes() == good
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        ShardReader(folder, "train")
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_a_data_set_is_read_from_a_bucket(folder, monkeypatch):
    """fsspec's memory file system in the place of Google's: everything but the network."""
    memory = pytest.importorskip("fsspec.implementations.memory")
    names = {"protocol": ("gs",), "cachable": False, "store": {}, "pseudo_dirs": [""]}
    bucket = type("Bucket", (memory.MemoryFileSystem,), names)
    monkeypatch.setattr(
        sys.modules["fsspec.registry"], "get_filesystem_class", lambda protocol: bucket
    )
    from etils import epath

    for path in folder.iterdir():
        epath.Path(f"gs://bucket/set/{path.name}").write_bytes(path.read_bytes())
    epath.Path("gs://bucket/set/val-00000-of-00001.index").unlink()
    reader = pickle.loads(pickle.dumps(ShardReader("gs://bucket/set", "train")))
    assert [clip.clip_id for clip in reader] == [f"clip-{i}" for i in range(7)]
    with pytest.warns(DataWarning, match="missing; rebuilt"):
        ShardReader("gs://bucket/set", "val")
    assert epath.Path("gs://bucket/set/val-00000-of-00001.index").exists()
    verify_shards("gs://bucket/set")


def test_both_coefficient_spaces_are_written_and_never_mixed(tmp_path):
    basel = make_clip(
        0,
        expression=np.random.default_rng(0).normal(size=(40, 64)).astype(np.float32),
        space="bfm",
    )
    info = write_dataset(tmp_path / "bfm", {"train": [basel]}, licence="", made_by="")
    assert (info.space, len(info.mean), len(info.std), info.keyframes_per_s) == (
        "bfm",
        73,
        73,
        None,
    )
    assert ShardReader(tmp_path / "bfm", "train")[0].expression.shape == (40, 64)
    with pytest.raises(
        InputError, match=r"clip 'clip-1' makes it .* bfm space and .* builtin space"
    ):
        write_dataset(tmp_path / "mixed", {"train": [basel, make_clip(1)]}, licence="", made_by="")


def test_an_earlier_description_without_counts_is_read(folder):
    description = folder / "dataset.json"
    raw = json.loads(description.read_text())
    assert set(raw["statistics"]["keyframes_per_s"]) == {"expression", "head"}
    assert raw["splits"]["train"]["speakers"] == 1
    assert sum(raw["splits"]["train"]["lengths_s"].values()) == 7
    del raw["statistics"]["keyframes_per_s"]
    for split in raw["splits"].values():
        del split["speakers"], split["language_hours"], split["lengths_s"]
    description.write_text(json.dumps(raw))
    info = dataset_info(folder)
    assert info.keyframes_per_s is None and info.splits["train"].speakers is None
