"""The motion space of a data set: as it states, or as an earlier version shows."""

import json

import numpy as np
import pytest

from ksdiff_jax.data.earlier_space import known_space
from ksdiff_jax.data.shards import ShardReader, write_dataset
from ksdiff_jax.errors import InputError
from ksdiff_jax.face import builtin_face, face_height, face_vertices, mouth_opening
from tests.data.clips import earlier_dataset, make_clip


def tracked(number, *, std=None):
    clip = make_clip(number, source="ksdiff-jax tracker: videos/a")
    face = builtin_face()
    vertices = face_vertices(face, clip.expression, shape=clip.shape, jaw_pose=clip.jaw)
    opening = np.asarray(mouth_opening(face, vertices)) / face_height(face)
    clip.measures["mouth_opening_std"] = float(opening.std()) if std is None else std
    return clip


@pytest.mark.parametrize("space", ["builtin", "flame"])
def test_a_data_set_carries_its_space_to_its_clips(tmp_path, space):
    write_dataset(tmp_path / "set", {"train": [make_clip(0, space=space)]}, licence="", made_by="x")
    assert known_space(tmp_path / "set") == space
    assert ShardReader(tmp_path / "set", "train", space="bfm")[0].space == space


def test_an_earlier_corpus_is_of_the_built_in_head(tmp_path):
    folder = earlier_dataset(
        tmp_path / "set", make_clip(0), made_by="ksdiff-jax corpus --clips 3 --seed 0"
    )
    assert known_space(folder) == "builtin"


def test_imported_coefficients_of_an_earlier_version_are_flames(tmp_path):
    assert (
        known_space(earlier_dataset(tmp_path / "set", make_clip(0, source="DECA, a.mat: a")))
        == "flame"
    )


def test_an_earlier_tracked_clip_is_of_the_built_in_head_where_that_has_the_measured_mouth(
    tmp_path,
):
    assert known_space(earlier_dataset(tmp_path / "own", tracked(1))) == "builtin"
    other = earlier_dataset(tmp_path / "other", tracked(1, std=0.1))
    assert known_space(other, given="flame") == "flame"
    with pytest.raises(InputError, match=r"name them with --data\.space builtin or flame"):
        known_space(other, option="--data.space")


def test_an_unknown_space_and_clips_without_one_are_refused(tmp_path):
    folder = earlier_dataset(tmp_path / "set", make_clip(0))
    raw = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(raw | {"space": "smplx"}))
    with pytest.raises(InputError, match="unknown motion space 'smplx'"):
        known_space(folder)
    with pytest.raises(InputError, match="clip-0' does not name the space of its coefficients"):
        write_dataset(tmp_path / "n", {"train": [make_clip(0, space="")]}, licence="", made_by="")
