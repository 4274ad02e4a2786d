"""`ksdiff-jax evaluate --people`: the scores of painted frames, and what it refuses."""

import json

import numpy as np
import pytest

from ksdiff_jax.__main__ import main
from ksdiff_jax.data.coded_pictures import coded_pictures
from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.evaluate import unseen_people
from ksdiff_jax.evaluate.frame_scores import targets_of
from ksdiff_jax.evaluate.painting_baselines import fit_painters
from ksdiff_jax.evaluate.unseen_people import PAINTED, Yardstick
from ksdiff_jax.models.fd2talk.autoencoder.config import Config as AutoencoderConfig
from ksdiff_jax.models.fd2talk.frames.config import Config, ModelConfig
from ksdiff_jax.models.pretrained import save_pretrained
from ksdiff_jax.ownership import purpose_of
from tests.data.clips import make_clip
from tests.evaluate.pretend import STILL

SIDE = 32


def person(number):
    pictures = np.random.default_rng(number).integers(0, 255, (12, SIDE, SIDE, 3), np.uint8)
    return make_clip(number, frames=12, pictures=coded_pictures(pictures, side=SIDE))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Checkpoints without weights worth loading, and people of noise."""
    folder = tmp_path_factory.mktemp("people")
    frames = Config(model=ModelConfig(picture_side=SIDE))
    for name, config in (("frames", frames), ("coder", AutoencoderConfig())):
        save_pretrained(
            folder / name, config=config, params={"a": np.zeros(1, np.float32)}, space=STILL
        )
    people = [person(number) for number in range(7)]
    splits = {"train": people[:2], "val": people[2:4], "test": people[4:]}
    write_dataset(folder / "data", splits, licence="none", made_by="a test")
    unpictured = {split: [make_clip(1)] for split in splits}
    write_dataset(folder / "blind", unpictured, licence="none", made_by="a test")
    return folder


def test_scores_leads_and_a_strip_are_printed_and_written(folder, tmp_path, capsys, monkeypatch):
    people = [targets_of(person(number)) for number in range(3)]
    fitted = fit_painters(people[:2], people[2:])
    using = Yardstick(fitted, (lambda pictures: pictures.mean(axis=(1, 2, 3)),))
    given = {}

    def painters(system, params, *, seed):
        given.update(steps=system.config.sample.steps, seed=seed)
        return {PAINTED: lambda targets: targets.truth}

    monkeypatch.setattr(unseen_people, "yardstick", lambda data, tell: using)
    monkeypatch.setattr(unseen_people, "frames_painters", painters)
    arguments = ["--checkpoint", str(folder / "frames"), "--data", str(folder / "data")]
    arguments += ["--steps", "7", "--seed", "3", "--out", str(tmp_path / "o")]
    assert main(["evaluate", "--people", *arguments]) == 0
    assert given == {"steps": 7, "seed": 3}
    printed = capsys.readouterr()
    assert "below 0.95" in printed.err  # openings of noise cannot be read
    document = json.loads((tmp_path / "o" / "people.json").read_text())
    assert all(line in printed.out for line in document["table"])
    assert document["people"] == 3 and not document["regressors_valid"]
    assert document["leads"]["psnr_mouth"]["linear"]["low"] > 0
    assert purpose_of(tmp_path / "o" / "people.png") == "painted-strip"


@pytest.mark.parametrize(
    ("checkpoint", "data", "more", "says"),
    [
        ("frames", "blind", [], "no pictures in it, 32 are needed"),
        ("coder", "data", [], "fd2talk_autoencoder, which paints no frames"),
        ("frames", "", [], "--people: needs the data"),
        ("frames", "data", ["--sampler", "fast"], "sampler fast: need one of"),
        ("frames", "data", ["--steps", "0"], "steps"),
        ("frames", "data", ["--guidance", "1", "2"], "--guidance: several values make a table"),
        ("frames", "data", ["--discriminate"], "--discriminate: not used with --people"),
    ],
)
def test_each_mistake_is_one_line_with_status_two(
    folder, checkpoint, data, more, says, tmp_path, capsys
):
    arguments = ["--checkpoint", str(folder / checkpoint), "--out", str(tmp_path / "o"), *more]
    arguments += ["--data", str(folder / data)] if data else []
    assert main(["evaluate", "--people", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error and len(error.splitlines()) == 1
    assert not (tmp_path / "o").exists()
