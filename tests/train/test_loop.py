"""Whole runs of the loop on the toy system: learning, stopping, resuming, refusing."""

import dataclasses
import io
import json
import os

import jax
import numpy as np
import pytest

from ksdiff_jax.config import to_dict
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.pretrained import load_pretrained
from ksdiff_jax.train import alone
from ksdiff_jax.train.loop import Watching, train
from ksdiff_jax.train.report import metrics_log
from ksdiff_jax.train.report.progress import Progress
from ksdiff_jax.tree import leaf_digest, named_leaves
from tests.train.toy import ToySystem, open_toy, toy_config, toy_data


def run(workdir, config=None, *, data=None, evaluate=None):
    config = config or toy_config()
    said = io.StringIO()
    outcome = train(
        config,
        workdir,
        build_system=ToySystem,
        open_data=lambda system: open_toy(system) if data is None else data,
        evaluate=evaluate,
        progress=Progress(config.train.steps, stream=said),
    )
    return outcome, said.getvalue()


def entries(workdir, split="train"):
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["split"] == split]


def digests(state):
    return {name: leaf_digest(jax.device_get(leaf)) for name, leaf in named_leaves(state).items()}


def test_the_loss_falls_and_what_was_seen_is_written_down(tmp_path):
    outcome, said = run(
        tmp_path, toy_config(steps=200, log_every=20, validate_every=100, learning_rate=3e-2)
    )
    train_entries = entries(tmp_path)
    assert [entry["step"] for entry in train_entries] == list(range(20, 201, 20))
    assert train_entries[-1]["loss"] < 0.1 * train_entries[0]["loss"]
    assert {
        "loss",
        "reconstruction",
        "grad_norm",
        "learning_rate",
        "skipped",
        "steps_per_s",
    } <= train_entries[0].keys()
    assert [entry["step"] for entry in entries(tmp_path, "val")] == [100, 200]
    assert entries(tmp_path, "val")[-1]["loss"] == pytest.approx(outcome.metrics["loss"])
    assert outcome.exit_status == 0 and "step 180/200" in said and "done at step 200" in said
    assert list((tmp_path / "tensorboard").iterdir())


def test_speed_is_that_of_finished_steps_from_the_first_entry_on(tmp_path):
    run(tmp_path, toy_config(steps=8, log_every=1, validate_every=100))
    speeds = [entry.get("steps_per_s") for entry in entries(tmp_path)]
    assert speeds[:2] == [None, None]  # dispatched, not done
    assert all(speed > 0 for speed in speeds[2:]) and len(speeds) == 8


def test_what_is_no_number_is_null_in_the_file_and_left_out_on_the_board(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(
        metrics_log.SummaryWriter, "add_scalar", lambda self, *scalar: shown.append(scalar)
    )
    with metrics_log.MetricsLog(tmp_path, from_step=0) as log:
        log.write(3, "val", {"loss": 0.5, "jaw_correlation": float("nan")})
    assert entries(tmp_path, "val") == [
        {"step": 3, "split": "val", "loss": 0.5, "jaw_correlation": None}
    ]
    assert shown == [("val/loss", 0.5, 3)]


def test_twenty_steps_equal_ten_a_restart_and_ten_bit_for_bit(tmp_path):
    whole, _ = run(tmp_path / "whole")
    run(tmp_path / "halves", toy_config(steps=10))
    data = toy_data(toy_config())
    halves, said = run(tmp_path / "halves", data=data)
    assert "resuming" in said and "at step 10" in said
    assert data.batches.read[0] == 10  # the first batch that the first half did not use
    assert digests(halves.state) == digests(whole.state)
    for split in ("train", "val"):
        a, b = entries(tmp_path / "whole", split), entries(tmp_path / "halves", split)
        assert [(e["step"], e["loss"]) for e in a] == [(e["step"], e["loss"]) for e in b]


def test_a_run_that_is_done_says_so_and_changes_nothing(tmp_path):
    first, _ = run(tmp_path)
    second, said = run(tmp_path)
    assert "nothing to do" in said
    assert digests(second.state) == digests(first.state)


def test_a_folder_of_another_run_is_refused_by_the_names_of_the_differing_fields(tmp_path):
    run(tmp_path, toy_config(steps=2))
    other = toy_config(steps=4, learning_rate=0.5, log_every=1, remat="full", scan_layers=True)
    other = dataclasses.replace(other, data=dataclasses.replace(other.data, clip_frames=64))
    with pytest.raises(
        InputError, match=r"data.clip_frames 128 -> 64, train.learning_rate 0.01 -> 0.5\)"
    ) as error:
        run(tmp_path, other)
    assert not any(
        name in str(error.value) for name in ("steps", "log_every", "remat", "scan_layers")
    )


def test_a_run_that_never_saved_may_begin_anew_with_another_config(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(to_dict(toy_config(learning_rate=0.5))))
    assert run(tmp_path, toy_config(steps=2))[0].exit_status == 0


def test_fewer_steps_than_were_taken_are_refused(tmp_path):
    run(tmp_path, toy_config(steps=4))
    with pytest.raises(InputError, match=r"train.steps 3: .* already at step 4"):
        run(tmp_path, toy_config(steps=3))


def test_a_bad_setting_is_refused_before_anything_is_written(tmp_path):
    for changes in (
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"learning_rate": -1.0},
        {"steps": 0},
        {"seed": -1},
        {"validate_clips": -1},
    ):
        with pytest.raises(InputError, match=f"train.{next(iter(changes))} "):
            run(tmp_path / "new", toy_config(**changes))
    assert not (tmp_path / "new").exists()


def test_a_step_that_is_not_finite_is_skipped_and_counted(tmp_path):
    broken, _ = run(tmp_path / "a", data=toy_data(toy_config(), broken=frozenset({3, 4, 12})))
    assert int(broken.state.skipped) == 3 and int(broken.state.step) == 20
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(jax.device_get(broken.state)))
    assert entries(tmp_path / "a")[-1]["skipped"] == 3
    sound, _ = run(tmp_path / "b")
    assert int(sound.state.skipped) == 0


def test_a_run_without_any_finite_step_gives_up_with_finite_parameters(tmp_path):
    config = toy_config(steps=400, validate_every=400)
    with pytest.raises(InputError, match="training stopped at step"):
        run(tmp_path, config, data=toy_data(config, broken=frozenset(range(400))))


@pytest.mark.parametrize("error", [InputError, OSError])
def test_an_error_in_the_data_surfaces_and_the_steps_before_it_are_saved(tmp_path, error):
    data = toy_data(toy_config())
    next_batch = type(data.batches).__next__

    class Failing(type(data.batches)):
        def __next__(self):
            if self.number == 14:
                raise error("shard 3 is damaged")
            return next_batch(self)

    with pytest.raises(error, match="shard 3 is damaged"):
        run(tmp_path, data=data._replace(batches=Failing()))
    outcome, said = run(tmp_path)
    assert "at step 14" in said and int(outcome.state.step) == 20


def test_the_averaged_weights_are_exported_for_inference(tmp_path):
    outcome, _ = run(tmp_path, evaluate=lambda system, params, data: {"lip_error": 0.25})
    exported = load_pretrained(tmp_path)
    for name, leaf in named_leaves(exported.params).items():
        np.testing.assert_array_equal(leaf, named_leaves(outcome.state.ema)[name])
    assert exported.config.name == "toy"
    assert "| lip_error | 0.25 |" in (tmp_path / "pretrained" / "card.md").read_text()
    assert entries(tmp_path, "val")[-1]["lip_error"] == 0.25
    versions = json.loads((tmp_path / "versions.json").read_text())
    assert versions["packages"]["jax"] == jax.__version__


def test_a_run_goes_on_with_bad_records_left_out_and_with_other_readers(tmp_path):
    run(tmp_path, toy_config(steps=10))
    config = toy_config(steps=20)
    data = dataclasses.replace(
        config.data, on_bad_record="skip", bad_record_share=0.1, workers=1, threads=2
    )
    outcome, said = run(tmp_path, dataclasses.replace(config, data=data))
    assert "at step 10" in said and int(outcome.state.step) == 20


@pytest.mark.parametrize("name", ["checkpoints", "tensorboard"])
def test_a_file_where_the_run_keeps_a_folder_is_named_and_left_alone(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=f"{name}: a file, where the run needs its own"):
        run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name] and (
        tmp_path / name
    ).read_text() == "mine"


def test_a_folder_where_the_run_keeps_a_file_is_named(tmp_path):
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(InputError, match=r"metrics\.jsonl: a folder, where the run needs its own"):
        run(tmp_path)


def test_a_second_run_in_the_folder_of_one_that_goes_on_is_refused_and_does_no_harm(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(alone, "PATIENCE_S", {False: 0.0})
    refused = []

    def at_validation(system, params, data):
        with pytest.raises(InputError, match="another run is using this folder") as refusal:
            run(tmp_path)
        refused.append(refusal.value)
        return {}

    outcome, _ = run(tmp_path, evaluate=at_validation)
    assert len(refused) == 2 and int(outcome.state.step) == 20
    assert [entry["step"] for entry in entries(tmp_path)] == [5, 10, 15, 20]
    assert "nothing to do" in run(tmp_path)[1]  # it may go on once the first has ended


def test_a_profile_of_steps_that_were_taken_is_no_silence(tmp_path):
    run(tmp_path, toy_config(steps=10))
    said = io.StringIO()
    train(
        toy_config(steps=12),
        tmp_path,
        build_system=ToySystem,
        open_data=open_toy,
        progress=Progress(12, stream=said),
        watching=Watching(profile=range(3, 6)),
    )
    assert "nothing is profiled: the run is past step 6, at 10" in said.getvalue()


@pytest.mark.parametrize("name", ["run[1]", "run*", "run?", os.fsdecode(b"caf\xe9")])
def test_a_folder_under_which_orbax_would_lose_the_checkpoints_is_refused(tmp_path, name):
    with pytest.raises(
        InputError, match="Orbax cannot store checkpoints there, name another --workdir"
    ):
        run(tmp_path / name / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_run_in_a_folder_of_an_odd_name_goes_on_where_it_stopped(tmp_path):
    workdir = tmp_path / "$x$ %d {} <b> 日本 \n #&'"
    run(workdir, toy_config(steps=2, log_every=1))
    _, said = run(workdir, toy_config(steps=4, log_every=1))
    assert [entry["step"] for entry in entries(workdir)] == [1, 2, 3, 4] and "step 2" in said


def test_a_bucket_is_no_workdir_and_no_folder_of_that_name_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InputError, match=r"gs://bucket/run: a run needs a folder; mount the bucket"
    ):
        run("gs://bucket/run")
    assert not any(tmp_path.iterdir())
