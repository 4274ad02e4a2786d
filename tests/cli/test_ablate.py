"""`ksdiff-jax ablate`: which runs it makes, resumes and refuses, with processes that do not train,
and one small study that does.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from ksdiff_jax.cli import ablate, ablate_folder, ablate_jobs
from ksdiff_jax.cli.ablate_folder import Run
from ksdiff_jax.cli.ablate_jobs import Slot, cpu_slots, gpu_slots
from ksdiff_jax.cli.main import main
from ksdiff_jax.data.schema import Timed
from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.evaluate.ablations import ABLATIONS, FULL, PAPER_TABLE_3, ablations_of
from ksdiff_jax.models.ksdiff.config import Config
from tests.data.clips import make_clip
from tests.promised import ENDLESS_S
from tests.started import Started

REPOSITORY = Path(__file__).parents[2]
NAMES = [figure.name for figure in ablations_of(Config()).figures]
ROWS = (*ABLATIONS, "DiffSpeaker")

# What a process of a run does here: it writes down that it was started, then scores of two clips,
# then an entry of the metrics. `fails` names rows that crash or refuse.
FAKE = """
import json, os, pathlib, sys, time
folder, workdir, scores = map(pathlib.Path, sys.argv[1:4])
row, seed, behaviour, names, clips = json.loads(sys.argv[4])
with (folder / "started").open("a") as file:
    file.write(f"{row} {seed}" + chr(10))
if behaviour == "crash":
    os.abort()
if behaviour == "refuse":
    print("ksdiff-jax ablate: the data are bad; need better ones", file=sys.stderr)
    sys.exit(2)
if behaviour == "hang":
    time.sleep(600)
workdir.mkdir(parents=True)
lines = [(step, split) for step in (1, 2) for split in ("train", "val")]
entries = [{"step": step, "split": split, "loss": 1 / step} for step, split in lines]
(workdir / "metrics.jsonl").write_text("".join(json.dumps(e) + chr(10) for e in entries))
values = {name: [1.0 * (len(row) + seed + c * c) for c in range(2)] for name in names}
content = dict(clips, schema="ksdiff-ablation-scores/1", row=row, seed=seed, rows={row: values})
scores.write_text(json.dumps(content))
"""
CLIPS = {"clips": ["a", "b"], "clips_sha256": "0" * 64}


@pytest.fixture
def study(tmp_path, monkeypatch, capsys):
    """Run `ksdiff-jax ablate` with fake processes: (status, lines, standard error)."""
    program = tmp_path / "fake.py"
    program.write_text(FAKE)
    behaviours: dict[str, str] = {}

    def command(study, run, slot, device):
        what = [run.row, run.seed, behaviours.get(run.row, ""), NAMES, CLIPS]
        places = [str(study.folder), str(study.workdir(run)), str(study.scores(run))]
        return [sys.executable, "-S", str(program), *places, json.dumps(what)]

    def beside(study, clips, console):
        rows = {"the truth": {name: [1.0, 2.0] for name in NAMES}}
        content = {"schema": "ksdiff-ablation-scores/1", **CLIPS, "rows": rows}
        study.beside.write_text(json.dumps(content))

    monkeypatch.setattr(ablate_jobs, "command", command)
    monkeypatch.setattr(ablate, "_beside", beside)
    monkeypatch.setattr(ablate, "_clips", lambda study, console: [])
    monkeypatch.setattr(ablate_jobs, "find_slots", lambda device, jobs, runs: [Slot()] * jobs)

    def run(*arguments, config="ablation", fails=(), jobs=2, out=tmp_path / "study"):
        behaviours.clear()
        behaviours.update(fails)
        status = main(["ablate", config, "--out", str(out), "--jobs", str(jobs), *arguments])
        captured = capsys.readouterr()
        return status, captured.out.splitlines(), captured.err

    run.folder = tmp_path / "study"
    return run


def started(folder):
    return (folder / "started").read_text().splitlines()


def test_all_rows_are_made_once_and_more_seeds_are_added_to_them(study):
    status, lines, _ = study("--seeds", "1")
    assert status == 0
    assert sorted(started(study.folder)) == sorted(f"{row} 0" for row in ROWS)
    table = (study.folder / "table.md").read_text()
    for row, paper in PAPER_TABLE_3.items():
        assert f"| {row} | 1 |" in table and f"{paper['LVE']:.3f}" in table
    assert "*the truth*" in table and any("8 of 8 runs" in line for line in lines)
    assert (study.folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((study.folder / "table.json").read_text())["learning"][FULL] == {
        "train": None,
        "validation": -0.5,
    }

    (study.folder / "started").unlink()
    status, lines, _ = study("--seeds", "1")
    assert status == 0 and not (study.folder / "started").exists()
    assert (study.folder / "table.md").read_text() == table
    assert study("--seeds", "2", "--rows", "w/o prosody")[0] == 0
    assert sorted(started(study.folder)) == ["full model 1", "w/o prosody 1"]
    table = (study.folder / "table.md").read_text()
    assert all(f"| {row} | {1 + (row in (FULL, 'w/o prosody'))} |" in table for row in ROWS)


def test_a_crash_loses_one_run_which_the_same_command_makes_again(study):
    rows = ("--seeds", "1", "--rows", "w/o prosody", "w/o keyframe")
    status, _, error = study(*rows, fails={"w/o prosody": "crash"})
    assert status == 1 and "w/o prosody, seed 0: ended with SIGABRT" in error
    assert "w/o keyframe" in (study.folder / "table.md").read_text()
    (study.folder / "started").unlink()
    assert study(*rows)[0] == 0
    assert started(study.folder) == ["w/o prosody 0"]


def test_what_every_run_refuses_is_one_line_and_status_2(study):
    status, _, error = study("--seeds", "1", jobs=1, fails=dict.fromkeys(ABLATIONS, "refuse"))
    assert (status, error) == (2, "ksdiff-jax ablate: the data are bad; need better ones\n")
    assert len(started(study.folder)) == 1


def test_a_folder_of_another_configuration_is_refused_and_stays(study):
    rows = ("--seeds", "1", "--rows", "w/o prosody")
    assert study(*rows)[0] == 0
    before = {path: path.read_bytes() for path in study.folder.rglob("*") if path.is_file()}
    for other, named in (
        (("--train.steps", "7"), "train.steps 600 -> 7"),
        (("--samples", "9"), "measured.samples 2 -> 9"),
    ):
        status, _, error = study(*rows, *other)
        assert status == 2 and error.count("\n") == 1
        assert "ablations of another config" in error and named in error
    status, _, error = study("--seeds", "1", config="disenttalk_demo")
    assert status == 2 and error.count("\n") == 1
    assert {p: p.read_bytes() for p in study.folder.rglob("*") if p.is_file()} == before


def test_a_folder_with_something_else_in_it_is_refused(study, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    status, _, error = study(out=tmp_path / "mine")
    assert status == 2 and "not a folder of `ksdiff-jax ablate`" in error
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]
    assert study(out=tmp_path / "fake.py")[0] == 2


def test_two_studies_do_not_share_a_folder(study, monkeypatch):
    monkeypatch.setattr(ablate_folder, "PATIENCE_S", 0.0)
    with ablate_folder.alone(study.folder, tell=str):
        status, _, error = study("--seeds", "1")
    assert status == 2 and "another `ksdiff-jax ablate` is using this folder" in error
    assert error.splitlines()[-1].startswith("ksdiff-jax ablate: ")
    assert study("--seeds", "1", "--rows", "w/o prosody")[0] == 0  # hidden files of ours remain


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seeds", "0"), "--seeds 0: need 1 or more"),
        (("--rows", "w/o sound"), "no ablation 'w/o sound'"),
        (("--train.step", "5"), "did you mean 'train.steps'?"),
    ],
)
def test_a_wrong_option_is_one_line_and_leaves_no_folder(study, arguments, said):
    status, _, error = study(*arguments)
    assert status == 2 and said in error and error.count("\n") == 1
    assert not study.folder.exists()


def test_a_folder_that_cannot_be_made_is_refused_before_the_clips_are(study, monkeypatch, tmp_path):
    monkeypatch.setattr(ablate, "_clips", None)  # the corpus would be made
    (tmp_path / "file").write_text("")
    status, _, error = study(out=tmp_path / "file" / "out")
    assert status == 2 and error.count("\n") == 1


def test_a_system_without_a_table_is_refused(study):
    status, _, error = study(config="sync_demo")
    assert status == 2 and "need a configuration of ksdiff" in error


def test_a_row_that_is_the_full_model_already_is_left_out(study):
    rows = ("--rows", "w/o transcript", "--model.transcript.enabled", "false")
    status, lines, _ = study("--seeds", "1", *rows)
    assert status == 0 and started(study.folder) == ["full model 0"]
    assert any("w/o transcript: left out" in line for line in lines)


def test_a_signal_ends_all_processes_and_the_study_continues(study, monkeypatch):
    hanging = []
    start = ablate_jobs.Processes.start

    def starts(self, place, run, slot):
        start(self, place, run, slot)
        hanging.extend(process for _, process, _, _ in self._running.values())
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(ablate_jobs.Processes, "start", starts)
    rows = ("--seeds", "1", "--rows", "w/o prosody")
    status, _, error = study(*rows, jobs=1, fails={FULL: "hang"})
    assert status == 143 and "the same command continues" in error
    assert hanging and all(process.poll() is not None for process in hanging)
    monkeypatch.setattr(ablate_jobs.Processes, "start", start)
    assert study(*rows)[0] == 0


def test_cores_and_gpus_are_divided():
    assert cpu_slots([0, 1, 2, 3], 2) == [Slot((0, 2)), Slot((1, 3))]
    assert cpu_slots([5], 2) == [Slot((5,)), Slot((5,))]
    assert cpu_slots([0, 1], 1) == [Slot()]  # all of them
    assert [dict(slot.environment) for slot in gpu_slots(["2", "3"], 2)] == [
        {"CUDA_VISIBLE_DEVICES": "2"},
        {"CUDA_VISIBLE_DEVICES": "3"},
    ]
    shared = gpu_slots(["0"], 2)
    assert all("XLA_PYTHON_CLIENT_PREALLOCATE" in dict(slot.environment) for slot in shared)


def test_two_runs_have_two_names():
    names = [Run(row, seed).name for row in ABLATIONS for seed in (0, 1)]
    assert len(set(names)) == len(names)
    assert Run("w/o dual-path diff", 2).name == "without-dual-path-diff-seed-2"


def test_the_split_that_is_scored_must_have_clips(tmp_path, capsys):
    splits = {"train": [make_clip(1, frames=30)]}
    write_dataset(tmp_path / "shards", splits, licence="CC0", made_by="a test")
    out = tmp_path / "study"
    status = main(
        ["ablate", "ablation", "--data.path", str(tmp_path / "shards"), "--out", str(out)]
    )
    error = capsys.readouterr().err
    assert status == 2 and "no clips in the split test" in error and error.count("\n") == 1
    assert not out.exists()
    write_dataset(tmp_path / "one", splits | {"test": splits["train"]}, licence="", made_by="a")
    status = main(["ablate", "ablation", "--data.path", str(tmp_path / "one"), "--out", str(out)])
    error = capsys.readouterr().err
    assert status == 2 and "1 clip of the split test to score on, need 2" in error
    assert error.count("\n") == 1


TINY = """
from dataclasses import replace

from tests.train.tiny_ksdiff import tiny_config


def config():
    often = {{"log_every": 1, "validate_every": 4, "checkpoint_every": 2, "warmup_steps": 1}}
    config = tiny_config({data!r}, steps=8, **often)
    sample = replace(config.sample, steps=2)
    return replace(config, name="tiny", sample=sample, data=replace(config.data, augment=None))
"""


def wait_for(condition, what):
    until = time.monotonic() + ENDLESS_S
    while not condition():
        if time.monotonic() > until:
            pytest.fail(f"no {what} in {ENDLESS_S:.0f} s")
        time.sleep(0.1)


@pytest.mark.long
def test_a_study_that_was_killed_continues_where_it_stopped(tmp_path):
    clips = [make_clip(i, frames=40 + i, phonemes=(Timed("m", 0.4, 0.5),)) for i in range(8)]
    splits = {"train": clips[:4], "val": clips[4:5], "test": clips[5:]}
    write_dataset(tmp_path / "shards", splits, licence="CC0", made_by="a test")
    (tmp_path / "tiny.py").write_text(TINY.format(data=str(tmp_path / "shards")))
    folder = tmp_path / "study"
    words = ("ablate", str(tmp_path / "tiny.py"), "--seeds", "1", "--rows", "w/o transcript")
    words += ("--jobs", "1", "--out", str(folder))
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(REPOSITORY)}
    full, cut = (folder / "runs" / Run(row, 0).name for row in (FULL, "w/o transcript"))

    def started():
        command = [sys.executable, "-m", "ksdiff_jax", *words]
        return Started(command, cwd=tmp_path, env=environment)

    with started() as process:
        wait_for((folder / "scores" / f"{full.name}.json").exists, "scores of the full model")
        wait_for((cut / "checkpoints").exists, "second run")
        wait_for(lambda: any((cut / "checkpoints").glob("[0-9]*")), "checkpoint")
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = (full / "metrics.jsonl").read_bytes(), (full / "versions.json").read_bytes()
    with started() as process:
        assert process.wait(ENDLESS_S) == 0
    assert ((full / "metrics.jsonl").read_bytes(), (full / "versions.json").read_bytes()) == before
    goodput = json.loads((cut / "goodput.json").read_text())
    assert goodput["starts"] == 2
    steps = [json.loads(line) for line in (cut / "metrics.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in steps if entry["split"] == "train"] == [*range(1, 9)]
    document = json.loads((folder / "table.json").read_text())
    figures = document["rows"]["w/o transcript"]["differences"]["jaw_correlation"]
    assert figures["clips"] == 3 and figures["seeds"] == 1
    truth = document["rows"]["the truth"]["figures"]
    assert truth["jaw_correlation"]["mean"] == pytest.approx(1.0)
    assert truth["lve_distance_mm"]["mean"] == 0.0
