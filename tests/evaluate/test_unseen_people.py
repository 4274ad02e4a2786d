"""Painted frames of unseen people: scores beside the baselines; regressors are kept."""

import dataclasses

import jax
import numpy as np
import pytest

from ksdiff_jax.data.coded_pictures import coded_pictures
from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate import unseen_people
from ksdiff_jax.evaluate.frame_scores import targets_of
from ksdiff_jax.evaluate.painting_baselines import copied, fit_painters
from ksdiff_jax.evaluate.picture_opening import PictureOpening
from ksdiff_jax.evaluate.unseen_people import PAINTED, TRUE, Yardstick, people_scores, yardstick
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


def brightness(pictures):
    return pictures.mean(axis=(1, 2, 3))


@pytest.fixture(scope="module")
def people():
    return [person(number) for number in range(6)]


def test_a_painter_of_the_truth_leads_every_baseline_and_a_blind_one_none(people):
    fitted = fit_painters(map(targets_of, people[:3]), [targets_of(people[3])])
    using = Yardstick(fitted, (brightness, lambda pictures: -brightness(pictures)))
    found = people_scores({PAINTED: lambda targets: targets.truth}, people[3:], using)
    leads = found.leads()
    assert all(lead.sign == 1 for lead in leads["psnr_face"].values())
    first, second = found.r_by_regressor[PAINTED]
    assert first.mean > 0.9 and second.mean == pytest.approx(-first.mean)
    np.testing.assert_allclose(found.scores[PAINTED]["opening_r"], 0, atol=1e-6)  # their mean
    assert not found.valid
    blind = people_scores({PAINTED: copied}, people[3:], using)
    assert blind.leads()["psnr_face"]["copied"].sign == 0


def test_regressors_are_valid_if_all_of_them_read_the_true_frames(people):
    fitted = fit_painters(map(targets_of, people[:3]), [targets_of(people[3])])
    using = Yardstick(fitted, (brightness, brightness))
    found = people_scores({}, people[3:], using)
    assert found.valid and found.scores[TRUE]["psnr_face"].min() == 60
    with pytest.raises(InputError, match="no clips"):
        people_scores({}, [], using)


def test_a_regressor_is_trained_once_for_its_data_and_seed(people, tmp_path, monkeypatch):
    splits = {"train": people[:3], "val": people[3:4], "test": people[4:]}
    write_dataset(tmp_path / "d", splits, licence="none", made_by="a test")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    trained = []

    def train(mouths, *, seed):
        trained.append(seed)
        return PictureOpening({"dense": {"kernel": np.full(2, seed, np.float32)}})

    monkeypatch.setattr(unseen_people, "train_picture_opening", train)
    first, again = (yardstick(tmp_path / "d", seeds=(3, 4)) for _ in range(2))
    assert trained == [3, 4]
    jax.tree.map(np.testing.assert_array_equal, first.regressors, again.regressors)
    (tmp_path / "cache/ksdiff-jax/picture-opening").iterdir().__next__().write_bytes(b"cut")
    yardstick(tmp_path / "d", seeds=(3, 4))
    assert len(trained) == 3
