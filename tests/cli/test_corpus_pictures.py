"""`corpus --pictures` as it is typed: people in shards, or one line and status 2."""

import json

import numpy as np
import pytest

from ksdiff_jax.cli.main import main
from ksdiff_jax.data.corpus import write
from ksdiff_jax.data.shards import ShardReader, dataset_info
from ksdiff_jax.ownership import purpose_of
from ksdiff_jax.pictures.read import read_picture
from tests.data.clips import make_clip


def test_every_clip_of_a_corpus_shows_a_person_of_its_own(tmp_path, monkeypatch, capsys):
    def clips(split, _recipe, *, count, **_):
        return [make_clip(n, frames=4, clip_id=f"{split}-{n}") for n in range(count)]

    monkeypatch.setattr(write, "corpus_clips", clips)
    out = tmp_path / "faces"
    assert main(["corpus", "--out", str(out), "--clips", "3", "--pictures", "32", "--quiet"]) == 0
    assert dataset_info(out).pictures == 32
    people = [ShardReader(out, split)[0] for split in ("train", "val", "test")]
    for clip in people:
        assert clip.pictures.take(range(4)).shape == (4, 32, 32, 3)
    shapes = np.stack([clip.shape for clip in people])
    assert np.abs(np.diff(shapes, axis=0)).max(axis=1).min() > 0.5
    assert main(["inspect", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pictures_pixels"] == 32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--pictures", "20"), "pictures of 20 pixels: need 32 to 512, a multiple of 8"),
        (("--pictures", "64", "--speech", "s"), "--pictures 64 --speech s: pictures are rendered"),
        (
            ("--pictures", "64", "--from", "d", "--encoder", "e"),
            "--pictures 64 --from d: pictures are rendered of the built-in corpus",
        ),
    ],
)
def test_pictures_that_cannot_be_made_are_refused(tmp_path, capsys, options, message):
    assert main(["corpus", "--out", str(tmp_path / "o"), *options]) == 2
    errors = capsys.readouterr().err
    assert message in errors and len(errors.splitlines()) == 1
    assert not (tmp_path / "o").exists()


def test_a_portrait_is_one_picture_of_a_drawn_person(tmp_path, capsys):
    path = tmp_path / "head.png"
    assert main(["corpus", "--portrait", str(path), "--seed", "3", "--quiet"]) == 0
    assert purpose_of(path) == "rendered-portrait"
    pixels = read_picture(path)
    assert pixels.shape == (512, 512, 3) and pixels.std() > 20
    path.write_bytes(b"mine")
    for options, message in (
        ((str(path),), "head.png"),
        ((str(tmp_path / "a.jpg"),), "need a file named .png"),
        ((str(tmp_path / "a.png"), "--clips", "3"), "--clips: the picture is of no data set"),
    ):
        assert main(["corpus", "--portrait", *options]) == 2
        errors = capsys.readouterr().err
        assert message in errors and len(errors.splitlines()) == 1
    assert path.read_bytes() == b"mine" and list(tmp_path.iterdir()) == [path]
    assert main(["corpus"]) == 2
    assert "--out DIR" in capsys.readouterr().err
