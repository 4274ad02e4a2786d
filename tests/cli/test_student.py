"""A student from its teacher to the motion of a system that reads it, by the commands."""

import json

import numpy as np
import pytest

from ksdiff_jax.cli.main import main
from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.speech import load_encoder
from tests.data.clips import make_clip
from tests.speech.tiny_whisper_encoder import write_folder

OFTEN = {"train.steps": 2, "train.validate_every": 2, "train.warmup_steps": 1, "train.log_every": 1}
SMALL = {
    "data.batch_size": 2,
    "data.clip_frames": 20,
    "model.encoder.architecture.hidden_size": 8,
    "model.encoder.architecture.num_layers": 1,
    "model.encoder.architecture.attention_layers": 1,
    "loss.phonemes": 0.1,
}


@pytest.fixture
def shards(tmp_path):
    splits = {"train": [make_clip(i, frames=30) for i in (1, 2)], "val": [make_clip(3, frames=25)]}
    write_dataset(tmp_path / "shards", splits, licence="CC0", made_by="a test")
    return tmp_path / "shards"


def train(capsys, name, workdir, **fields):
    options = [str(word) for name, value in fields.items() for word in (f"--{name}", value)]
    status = main(["train", name, "--workdir", str(workdir), *options])
    captured = capsys.readouterr()
    return status, captured.out + captured.err


@pytest.mark.slow
def test_a_student_learns_is_read_by_a_system_and_keeps_to_its_teacher(
    tmp_path, shards, capsys, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    teacher, run = write_folder(tmp_path / "teacher"), tmp_path / "student"
    fields = OFTEN | SMALL | {"data.path": shards, "model.teacher.path": teacher}
    status, said = train(capsys, "student", run, **fields)
    assert status == 0 and "speech features of 2 train clips" in said and "teacher_cosine" in said
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert {"teacher", "phonemes"} <= lines[0].keys()
    assert np.isfinite([entry["loss"] for entry in lines]).all()
    assert "teacher: " in (run / "pretrained" / "card.md").read_text()

    # The same teacher elsewhere is another configuration, and so is one of other weights.
    other = write_folder(tmp_path / "other", raw={"encoder_attention_heads": 4})
    status, said = train(capsys, "student", run, **fields | {"model.teacher.path": other})
    assert status == 2 and "model.teacher.digest" in said and said.count("\n") == 1
    status, said = train(capsys, "student", teacher, **fields)
    assert status == 2 and "which it reads" in said and said.count("\n") == 1

    small = {"model.width": 16, "model.blocks": 1, "model.heads": 2, "data.path": shards}
    reads = {"model.encoder.kind": "pretrained", "model.encoder.path": run, "data.batch_size": 2}
    system = tmp_path / "system"
    fields = OFTEN | small | reads | {"data.clip_frames": 20}
    status, said = train(capsys, "disenttalk_demo", system, **fields)
    assert status == 0 and "speech features of 2 train clips" in said
    config = json.loads((system / "pretrained" / "config.json").read_text())["config"]
    assert config["model"]["encoder"]["digest"] == load_encoder(run).digest
    assert config["model"]["encoder"]["architecture"]["architecture"] == "student"
