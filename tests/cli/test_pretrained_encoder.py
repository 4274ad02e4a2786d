"""Commands with a pretrained encoder: `corpus --encoder`, `animate --encoder`, `inspect`."""

import json
import shutil

import jax
import numpy as np
import pytest

import ksdiff_jax.models
from ksdiff_jax.cli.main import main
from ksdiff_jax.data.shards import ShardReader, dataset_info, write_dataset
from ksdiff_jax.models.pretrained import load_pretrained, read_pretrained, save_pretrained
from ksdiff_jax.models.speech_encoder import encoder_params, with_encoder
from ksdiff_jax.overrides import override
from ksdiff_jax.speech import load_encoder
from ksdiff_jax.tree import parameter_count
from tests.animate.fake_system import CONFIG, STATISTICS
from tests.data.clips import make_clip


@pytest.fixture
def shards(tmp_path):
    write_dataset(
        tmp_path / "shards", {"train": [make_clip(1, frames=20)]}, licence="CC0", made_by="a test"
    )
    return tmp_path / "shards"


@pytest.fixture
def lost(tmp_path, checkpoint, tiny_encoder):
    """A checkpoint whose encoder is no longer where it was."""
    found = {"model.encoder.kind": "pretrained", "model.encoder.path": str(tiny_encoder)}
    config, encoder = with_encoder(override(CONFIG, found))
    config = override(config, {"model.encoder.path": str(tmp_path / "gone")})
    params = {"scale": np.ones((), np.float32)} | encoder_params(encoder)
    return save_pretrained(tmp_path / "lost", config=config, params=params, space=STATISTICS)


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_features_are_added_to_the_clips_of_a_data_set(tmp_path, shards, tiny_encoder, capsys):
    out = tmp_path / "encoded"
    status, said, _ = run(
        capsys, "corpus", "--out", out, "--from", shards, "--encoder", tiny_encoder
    )
    assert status == 0 and "speech features of 1 clips" in said
    assert ShardReader(out, "train")[0].speech_features.shape[0] == 40
    status, facts, _ = run(capsys, "inspect", out, "--json")
    assert json.loads(facts)["speech_features_of"] == dataset_info(out).encoder_digest


@pytest.mark.slow
def test_disenttalk_trains_on_the_kept_features_of_a_frozen_encoder(
    tmp_path, shards, tiny_encoder, capsys, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fields = {
        "data.path": shards,
        "data.batch_size": 2,
        "data.clip_frames": 20,
        "model.encoder.kind": "pretrained",
        "model.encoder.path": tiny_encoder,
        "model.width": 16,
        "model.blocks": 1,
        "model.heads": 2,
        "train.steps": 2,
        "train.warmup_steps": 1,
        "train.log_every": 1,
    }
    options = [word for name, value in fields.items() for word in (f"--{name}", value)]
    workdir = tmp_path / "run"
    status, _, said = run(capsys, "train", "disenttalk_demo", "--workdir", workdir, *options)
    assert status == 0 and "speech features of 1 train clips" in said
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    losses = [entry["loss"] for entry in map(json.loads, lines) if entry["split"] == "train"]
    assert losses and np.isfinite(losses).all()
    config = json.loads((workdir / "pretrained" / "config.json").read_text())
    assert config["config"]["model"]["encoder"]["digest"] == load_encoder(tiny_encoder).digest


@pytest.mark.parametrize(
    "arguments", [["--from", "shards"], ["--from", "shards", "--encoder", "nothing/here"]]
)
def test_a_missing_encoder_is_one_line_and_nothing_is_written(
    tmp_path, monkeypatch, capsys, shards, arguments
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    status, _, error = run(capsys, "corpus", "--out", "encoded", *arguments)
    assert status == 2 and error.count("\n") == 1 and not (tmp_path / "encoded").exists()


def test_animate_asks_for_an_encoder_that_moved_and_takes_it(animate, lost, speech, tiny_encoder):
    status, _, errors, files = animate(speech, "--formats", "npz", checkpoint=lost)
    assert status == 2 and len(errors) == 1 and "--encoder" in errors[0] and not files
    status, _, errors, files = animate(
        speech, "--formats", "npz", "--encoder", tiny_encoder, checkpoint=lost
    )
    assert (status, errors, files) == (0, [], ["speech.motion.npz"])


def test_a_checkpoint_becomes_one_small_folder_that_needs_no_encoder(
    tmp_path, lost, animate, speech, tiny_encoder, capsys
):
    (tmp_path / "mine.md").write_text("# mine\n")
    given = ("--encoder", tiny_encoder, "--card", tmp_path / "mine.md")
    status, said, _ = run(
        capsys, "convert", "checkpoint", lost, "--out", tmp_path / "whole", *given
    )
    assert status == 0 and "float16" in said
    assert (tmp_path / "whole" / "card.md").read_text() == "# mine\n"
    before, after = read_pretrained(lost), load_pretrained(tmp_path / "whole")
    assert after.config == before.config and after.sources == before.sources
    weights = load_encoder(tiny_encoder).params
    for there, here in zip(
        jax.tree.leaves(weights), jax.tree.leaves(after.params["encoder"]["backbone"]), strict=True
    ):
        np.testing.assert_array_equal(here, np.asarray(there).astype(np.float16))
    status, _, errors, files = animate(speech, "--formats", "npz", checkpoint=tmp_path / "whole")
    assert (status, errors, files) == (0, [], ["speech.motion.npz"])


@pytest.mark.parametrize(
    ("out", "given", "message"),
    [
        ("lost", ["--encoder", "ENCODER"], "never overwritten"),
        ("whole", [], "--encoder"),
        ("whole", ["--encoder", "ENCODER", "--card", "no.md"], "name a text file"),
    ],
)
def test_a_checkpoint_that_cannot_be_converted_is_one_line(
    tmp_path, lost, tiny_encoder, capsys, out, given, message
):
    given = [tiny_encoder if word == "ENCODER" else word for word in given]
    before = sorted(path.name for path in tmp_path.iterdir())
    given = ("convert", "checkpoint", lost, "--out", tmp_path / out, *given, "--overwrite")
    status, _, error = run(capsys, *given)
    assert status == 2 and error.count("\n") == 1 and message in error
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_inspect_counts_what_is_frozen_without_the_encoders_folder(
    lost, capsys, monkeypatch, tiny_encoder
):
    params = {"scale": np.ones((), np.float32)} | encoder_params(with_encoder_at(tiny_encoder))
    monkeypatch.setattr(
        ksdiff_jax.models.build_system, "init", lambda self, key: jax.tree.map(np.asarray, params)
    )
    status, facts, _ = run(capsys, "inspect", lost, "--json")
    facts = json.loads(facts)
    assert status == 0 and (facts["trainable"], facts["frozen"]) == (1, parameter_count(params) - 1)
    assert facts["encoder"]["path"].endswith("gone") and facts["encoder"]["stored_here"] is False


def test_inspect_names_an_encoder_and_one_that_is_damaged(tiny_encoder, tmp_path, capsys):
    facts = json.loads(run(capsys, "inspect", tiny_encoder, "--json")[1])
    encoder = with_encoder_at(tiny_encoder)
    assert (facts["kind"], facts["architecture"], facts["layers"]) == (
        "speech encoder",
        "wav2vec2",
        2,
    )
    assert facts["digest"] == encoder.digest and facts["parameters"] == parameter_count(
        encoder.params
    )
    damaged = shutil.copytree(tiny_encoder, tmp_path / "damaged")
    weights = damaged / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-2] ^= 1
    weights.write_bytes(content)
    status, _, error = run(capsys, "inspect", damaged)
    assert status == 2 and error.count("\n") == 1 and "damaged" in error


def with_encoder_at(folder):
    found = {"model.encoder.kind": "pretrained", "model.encoder.path": str(folder)}
    return with_encoder(override(CONFIG, found))[1]
