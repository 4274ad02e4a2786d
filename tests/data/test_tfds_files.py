"""A data set opens with TensorFlow Datasets by its folder; TensorFlow is needed only to read it."""

import json

import numpy as np
import pytest

from ksdiff_jax.data.schema import decode_clip
from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.data.tfds_files import record_features
from ksdiff_jax.data.tfrecord import read_tfrecord
from ksdiff_jax.errors import InputError
from tests.data.clips import make_clip


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds") / "set"
    splits = {"train": [make_clip(i) for i in range(5)], "val": [make_clip(9)], "test": []}
    write_dataset(folder, splits, licence="CC0", made_by="a test", clips_per_shard=2)
    tfds = pytest.importorskip("tensorflow_datasets")
    return tfds.builder_from_directory(str(folder))


def test_splits_shards_and_licence_are_found(builder):
    assert (builder.info.name, str(builder.info.version)) == ("ksdiff_jax", "1.0.0")
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == {
        "train": 5,
        "val": 1,
    }
    assert builder.info.splits["train"].shard_lengths == [2, 2, 1]
    assert all(path.exists() for path in builder.info.splits["train"].filepaths)
    assert len(builder.info.splits["train"].filepaths) == 3
    assert builder.info.redistribution_info.license == "CC0"


def test_the_features_found_decode_the_records_found(builder):
    paths = builder.info.splits["train"].filepaths
    records = [record for path in paths for record in read_tfrecord(path)]
    for number, record in enumerate(records):
        raw = builder.info.features.deserialize_example_np(record)
        assert raw["clip_id"].decode() == decode_clip(record).clip_id == f"clip-{number}"
        expression = np.frombuffer(raw["expression"], "<f4").reshape(-1, 50)
        np.testing.assert_array_equal(expression, make_clip(number).expression)


def test_the_description_of_the_features_is_that_of_tfds(builder, tmp_path):
    record_features().save_config(str(tmp_path))
    ours = builder.data_path / "features.json"
    assert json.loads(ours.read_text()) == json.loads((tmp_path / "features.json").read_text())


def test_tensorflow_reads_the_same_clips(builder):
    pytest.importorskip("tensorflow")
    found = {raw["clip_id"].numpy().decode(): raw for raw in builder.as_dataset(split="train")}
    assert sorted(found) == [f"clip-{i}" for i in range(5)]
    audio = np.frombuffer(found["clip-3"]["audio"].numpy(), "<i2")
    np.testing.assert_array_equal(audio, make_clip(3).audio)


def test_a_tfds_that_cannot_be_imported_is_one_line_with_the_way_out(monkeypatch):
    pytest.importorskip("tensorflow_datasets")

    def refuses(name: str):
        raise RuntimeError("gencode 6.31.1 runtime 5.29.6")

    monkeypatch.setattr("ksdiff_jax.data.tfds_files.importlib.import_module", refuses)
    with pytest.raises(
        InputError,
        match=r"gencode 6\.31\.1 runtime 5\.29\.6.*pip install 'tensorflow-metadata<1\.21'",
    ):
        record_features()
