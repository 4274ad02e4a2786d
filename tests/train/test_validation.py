"""What validation averages over, and which clips it speaks of."""

import json

import jax
import numpy as np
import pytest

from ksdiff_jax.config import MeshConfig
from ksdiff_jax.parallel.mesh import make_mesh
from ksdiff_jax.train.feed import ValidationBatch
from ksdiff_jax.train.validation import validation_losses
from ksdiff_jax.train.validation_clips import (
    FILE_NAME,
    validation_clips,
    write_validation_clips,
)
from tests.data.clips import make_clip
from tests.train.toy import toy_batch


def mesh_of_one():
    return make_mesh(MeshConfig(), devices=jax.devices()[:1])


def test_eight_clips_of_loss_zero_and_one_of_one_validate_as_a_ninth():
    """The ninth is alone in a batch of eight rows, which are copies of it."""

    def step(params, numbered):
        ones = (np.asarray(numbered.batch.motion)[:, 0, 0] == 1).astype(np.float32)
        return {"a": 0.25 * ones, "b": 0.75 * ones}

    batch = toy_batch(0)
    zeros, one = (batch._replace(motion=np.full_like(batch.motion, value)) for value in (0, 1))
    batches = [ValidationBatch(zeros, [f"zero-{i}" for i in range(8)]), ValidationBatch(one, ["x"])]
    found = validation_losses(step, {}, batches, mesh_of_one())
    assert found == pytest.approx({"loss": 1 / 9, "a": 0.25 / 9, "b": 0.75 / 9}, rel=1e-12)
    assert validation_losses(step, {}, [], mesh_of_one()) == {}


def test_a_clip_has_the_same_number_in_any_row_and_any_batch():
    seen = {}

    def step(params, numbered):
        motions = np.asarray(numbered.batch.motion)
        for number, motion in zip(np.asarray(numbered.numbers), motions, strict=True):
            seen.setdefault(motion.tobytes(), set()).add(int(number))
        return {"a": np.zeros(len(numbered.numbers))}

    batch, names = toy_batch(0), [f"clip-{i}" for i in range(8)]
    turned = jax.tree.map(lambda array: array[::-1][:5], batch)
    for rows, ids in ((batch, names), (turned, names[::-1][:5])):
        validation_losses(step, {}, [ValidationBatch(rows, ids)], mesh_of_one())
    assert len(seen) == 8 and all(len(numbers) == 1 for numbers in seen.values())
    assert len(set.union(*seen.values())) == 8


@pytest.fixture
def clips():
    return [make_clip(i, frames=20 + i, language="ab"[i % 2]) for i in range(12)]


def ids_of(clips):
    return [clip.clip_id for clip in clips]


def test_a_resumed_run_is_validated_on_the_clips_of_its_folder(tmp_path, clips):
    drawn = validation_clips(clips, 4, workdir=tmp_path, tell=pytest.fail)
    write_validation_clips(tmp_path, drawn)
    content = json.loads((tmp_path / FILE_NAME).read_text())
    assert [entry["id"] for entry in content] == ids_of(drawn)
    assert content[0].keys() == {"id", "language", "seconds"}
    assert content[0]["seconds"] == pytest.approx(drawn[0].frames / 25)
    content[0]["id"] = next(clip.clip_id for clip in clips if clip.clip_id not in ids_of(drawn))
    (tmp_path / FILE_NAME).write_text(json.dumps(content))
    kept = validation_clips(clips, 4, workdir=tmp_path, tell=pytest.fail)
    assert ids_of(kept) == [entry["id"] for entry in content]


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '[{"id": 3}]', '[{"id": "clip-1"}]', '[{"name": "clip-1"}]']
)
def test_what_is_no_list_of_that_many_clips_is_drawn_anew(tmp_path, clips, content):
    (tmp_path / FILE_NAME).write_text(content)
    found = validation_clips(clips, 4, workdir=tmp_path, tell=pytest.fail)
    assert ids_of(found) == ids_of(validation_clips(clips, 4, workdir=None, tell=pytest.fail))


def test_clips_that_the_data_have_no_more_are_drawn_anew_with_a_word(tmp_path, clips):
    write_validation_clips(tmp_path, [make_clip(99), *clips[:3]])
    told = []
    assert len(validation_clips(clips, 4, workdir=tmp_path, tell=told.append)) == 4
    assert "drawn anew" in told[0]
