"""Data sets are found by name; nothing outside their folder is."""

import pytest

from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.data.tfds_builder import named_builder, named_folder
from ksdiff_jax.errors import InputError
from tests.data.clips import make_clip


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("KSDIFF_DATA_DIR", str(tmp_path / "sets"))
    write_dataset(
        tmp_path / "sets" / "two",
        {"train": map(make_clip, range(2))},
        licence="CC0",
        made_by="a test",
    )
    return tmp_path / "sets"


def test_a_name_gives_the_folder_and_the_builder(root):
    assert str(named_folder("two")) == str(root / "two")
    assert named_builder("two").info.splits["train"].num_examples == 2


@pytest.mark.parametrize("name", ["three", "", "..", "../sets/two"])
def test_another_name_is_refused_with_those_there_are(name):
    with pytest.raises(
        InputError,
        match=r"no data set .* there are two; put its folder there or set KSDIFF_DATA_DIR",
    ):
        named_folder(name)


def test_a_data_set_of_an_earlier_version_is_named(root):
    (root / "two" / "dataset_info.json").unlink()
    with pytest.raises(InputError, match="make it again"):
        named_builder("two")
