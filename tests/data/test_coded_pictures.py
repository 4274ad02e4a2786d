"""Pictures in shards: decoded one by one, checked, and absent from data sets without them."""

import dataclasses
import json
import pickle

import numpy as np
import pytest

from ksdiff_jax.data.coded_pictures import CodedPictures, coded_pictures
from ksdiff_jax.data.description import check_pictures
from ksdiff_jax.data.schema import decode_clip, encode_clip
from ksdiff_jax.data.shards import ShardReader, dataset_info, write_dataset
from ksdiff_jax.data.tfds_files import record_features
from ksdiff_jax.errors import InputError
from tests.data.clips import make_clip

SIDE, FRAMES = 16, 9


def smooth_pictures(frames=FRAMES):
    """Pictures of one colour each, which JPEG keeps within a level or two."""
    colours = np.random.default_rng(0).integers(0, 256, (frames, 1, 1, 3))
    return np.tile(colours, (1, SIDE, SIDE, 1)).astype(np.uint8)


def pictured(number=0, frames=FRAMES, **changes):
    boxes = np.random.default_rng(1).uniform(0, 300, (frames, 3)).astype(np.float32)
    coded = coded_pictures(smooth_pictures(frames), side=SIDE, boxes=boxes)
    return make_clip(number, frames=frames, pictures=coded, **changes)


def test_pictures_and_their_squares_come_back_from_a_record():
    clip = pictured()
    found = decode_clip(encode_clip(clip), space="builtin").pictures
    wanted = smooth_pictures()
    assert np.abs(found.take(range(FRAMES)).astype(int) - wanted).max() <= 3
    np.testing.assert_array_equal(found.boxes, clip.pictures.boxes)
    np.testing.assert_array_equal(found[5], clip.pictures[5])
    assert found.jpeg(5) == clip.pictures.jpeg(5)


def test_one_picture_is_decoded_without_the_others():
    coded = pictured().pictures
    damaged = bytearray(coded.data)
    damaged[: int(coded.stops[3])] = bytes(int(coded.stops[3]))
    rest = dataclasses.replace(coded, data=bytes(damaged))
    np.testing.assert_array_equal(rest.take([7, 4]), coded.take([7, 4]))
    with pytest.raises(InputError, match="picture 2 cannot be decoded"):
        rest[2]
    with pytest.raises(IndexError):
        coded[FRAMES]


def test_a_part_of_the_pictures_is_those_of_its_frames():
    coded = pictured().pictures
    part = coded.part(3, 7)
    np.testing.assert_array_equal(part.take(range(4)), coded.take(range(3, 7)))
    np.testing.assert_array_equal(part.boxes, coded.boxes[3:7])
    assert len(coded.part(4, 4)) == 0


def test_damaged_or_missing_pictures_are_refused_by_name():
    clip = pictured()
    short = dataclasses.replace(clip, pictures=clip.pictures.part(0, 5))
    with pytest.raises(InputError, match=r"'clip-0': 5 pictures with 5 boxes; 9 each"):
        encode_clip(short)
    lost = dataclasses.replace(clip.pictures, data=clip.pictures.data[:-1])
    with pytest.raises(InputError, match="the record is damaged"):
        decode_clip(encode_clip(dataclasses.replace(clip, pictures=lost)))
    small = dataclasses.replace(clip.pictures, side=8)
    with pytest.raises(InputError, match="16 x 16 pixels; 8 x 8 are needed"):
        small[0]


def test_a_data_set_states_the_size_of_its_pictures_or_none(tmp_path):
    write_dataset(tmp_path / "with", {"train": [pictured()]}, licence="", made_by="")
    write_dataset(tmp_path / "without", {"train": [make_clip(0)]}, licence="", made_by="")
    assert dataset_info(tmp_path / "with").pictures == SIDE
    reader = pickle.loads(pickle.dumps(ShardReader(tmp_path / "with", "train")))
    assert isinstance(reader[0].pictures, CodedPictures)
    without = dataset_info(tmp_path / "without")
    assert without.pictures == 0
    check_pictures(dataset_info(tmp_path / "with"), SIDE, what="set")
    check_pictures(without, 0, what="set")
    for info, message in (
        (without, "set: no pictures in it, 32 are needed"),
        (dataset_info(tmp_path / "with"), "set: its pictures are of 16 pixels, 32 are needed"),
    ):
        with pytest.raises(InputError, match=message):
            check_pictures(info, 32, what="set")
    with pytest.raises(InputError, match="makes the pictures none and 16 pixels"):
        write_dataset(
            tmp_path / "mixed", {"train": [make_clip(0), pictured(1)]}, licence="", made_by=""
        )


def test_a_description_of_an_earlier_version_has_no_pictures(tmp_path):
    write_dataset(tmp_path / "set", {"train": [make_clip(0)]}, licence="", made_by="")
    path = tmp_path / "set" / "dataset.json"
    raw = json.loads(path.read_text())
    del raw["pictures"]
    path.write_text(json.dumps(raw))
    assert dataset_info(tmp_path / "set").pictures == 0
    assert ShardReader(tmp_path / "set", "train")[0].pictures is None


def test_tfds_describes_records_with_pictures(tmp_path):
    write_dataset(tmp_path / "set", {"train": [pictured()]}, licence="", made_by="")
    record_features(pictures=True).save_config(str(tmp_path))
    ours = json.loads((tmp_path / "set" / "features.json").read_text())
    assert ours == json.loads((tmp_path / "features.json").read_text())
