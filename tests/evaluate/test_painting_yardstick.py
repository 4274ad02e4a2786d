"""What painted frames are compared with: baselines of training clips; regressors are kept."""

import dataclasses

import jax
import numpy as np
import pytest

from ksdiff_jax.data.coded_pictures import coded_pictures
from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate import painting_yardstick
from ksdiff_jax.evaluate.frame_scores import psnr_db, targets_of
from ksdiff_jax.evaluate.painting_yardstick import name_in_cache, yardstick
from ksdiff_jax.evaluate.picture_opening import PictureOpening
from tests.data.clips import make_clip

SIDE, FRAMES = 16, 30


def person(number):
    """A clip whose pictures are brighter the wider the jaw opens, of a tone of its own."""
    rng = np.random.default_rng(number)
    jaw = np.zeros((FRAMES, 3), np.float32)
    jaw[:, 0] = rng.uniform(0, 0.3, FRAMES)
    values = 60 + 20 * (number % 4) + 300 * jaw[:, 0]
    pictures = np.broadcast_to(values[:, None, None, None], (FRAMES, SIDE, SIDE, 3))
    clip = make_clip(number, frames=FRAMES, jaw=jaw, expression=np.zeros((FRAMES, 50), np.float32))
    coded = coded_pictures(pictures.astype(np.uint8), side=SIDE)
    return dataclasses.replace(clip, pictures=coded, clip_id=f"p{number}")


@pytest.fixture(scope="module")
def people():
    return [person(number) for number in range(6)]


def test_baselines_are_of_training_clips_and_penalties_of_others(people):
    found = yardstick(people[:4], people[4:5], seeds=())
    assert list(found.painters) == ["copied", "linear", "difference"] and found.openings == ()
    targets = targets_of(people[5])
    error = {name: psnr_db(paint(targets), targets.truth) for name, paint in found.painters.items()}
    assert error["difference"].mean() > error["copied"].mean() + 5
    same = yardstick(people, (), seeds=())  # every fifth training clip is held out
    assert list(same.painters) == list(found.painters)
    with pytest.raises(InputError, match="4 training clips, need 5"):
        yardstick(people[:4], (), seeds=())


def test_a_regressor_is_trained_once_for_its_data_and_seed(people, tmp_path, monkeypatch):
    splits = {"train": people[:3], "val": people[3:4], "test": people[4:]}
    write_dataset(tmp_path / "d", splits, licence="none", made_by="a test")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    trained = []

    def train(mouths, *, seed):
        trained.append(seed)
        return PictureOpening({"dense": {"kernel": np.full(2, seed, np.float32)}})

    monkeypatch.setattr(painting_yardstick, "train_picture_opening", train)
    name = name_in_cache(tmp_path / "d", None)
    assert name != name_in_cache(tmp_path / "d", 2)
    given = {"validation": people[3:4], "seeds": (3, 4), "kept_as": name}
    first, again = (yardstick(people[:3], **given) for _ in range(2))
    assert trained == [3, 4]
    jax.tree.map(np.testing.assert_array_equal, first.openings, again.openings)
    next((tmp_path / "cache/ksdiff-jax/picture-opening").iterdir()).write_bytes(b"cut")
    yardstick(people[:3], **given)
    assert len(trained) == 3
