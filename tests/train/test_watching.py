"""Samples, profiles and Weights & Biases: what a run shows while it goes on."""

import sys
import types

import jax
import jax.numpy as jnp
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.train.report.samples import file_name
from ksdiff_jax.train.report.trace import Trace, parse_steps
from ksdiff_jax.train.report.weights_and_biases import WeightsAndBiases


@pytest.mark.parametrize(
    "text", ["", "5", "5:", ":5", "5:5", "7:5", "-1:5", "a:b", "1:2:3", "1.5:3"]
)
def test_a_span_of_steps_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="need START:STOP"):
        parse_steps(text, steps=100)


def test_a_span_beyond_the_run_is_refused():
    assert parse_steps("9:12", steps=10) == range(9, 12)
    with pytest.raises(InputError, match=r"--profile 10:12: the run has train\.steps 10"):
        parse_steps("10:12", steps=10)


def test_a_trace_records_the_steps_of_its_span_and_leaves_files(tmp_path, monkeypatch):
    recorded = []
    monkeypatch.setattr(
        jax.profiler, "start_trace", lambda folder: recorded.append(("start", folder))
    )
    monkeypatch.setattr(jax.profiler, "stop_trace", lambda: recorded.append("stop"))

    def steps(trace, first, last):
        for step in range(first, last):
            trace.before(step)
            recorded.append(step)
            trace.after(step, jnp.zeros(()))
        trace.close()

    steps(Trace(parse_steps("2:4", steps=9), tmp_path), 0, 6)
    assert recorded == [0, 1, ("start", str(tmp_path)), 2, 3, "stop", 4, 5]
    recorded.clear()
    # resumed within the span, stopped within it
    steps(Trace(parse_steps("2:9", steps=9), tmp_path), 3, 5)
    assert recorded == [("start", str(tmp_path)), 3, 4, "stop"]
    recorded.clear()
    steps(Trace(range(0), tmp_path), 0, 2)
    assert recorded == [0, 1]


@pytest.mark.parametrize(
    ("clip_id", "name"),
    [
        ("val-0003", "val-0003"),
        ("../../etc/passwd", "etc_passwd"),
        ("a b:c*?.wav", "a_b_c_.wav"),
        ("..", "clip"),
    ],
)
def test_a_clip_names_a_file_and_no_other_place(clip_id, name):
    assert file_name(clip_id) == name


class FakeRun:
    def __init__(self):
        self.logged, self.finished = [], False

    def log(self, values, *, step):
        self.logged.append((step, values))

    def finish(self):
        self.finished = True


@pytest.fixture
def fake_wandb(monkeypatch):
    """A module in place of the package, which remembers what it was asked for."""
    module = types.ModuleType("wandb")
    module.__spec__ = types.SimpleNamespace(name="wandb")
    module.run, module.asked = FakeRun(), []
    module.init = lambda **options: module.asked.append(options) or module.run
    monkeypatch.setitem(sys.modules, "wandb", module)
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        "ksdiff_jax.train.report.weights_and_biases._has_credentials", lambda: False
    )
    return module


def a_workdir(folder):
    (folder / "config.json").write_text('{"name": "demo", "train": {"steps": 3}}')
    return folder


def test_metrics_go_to_weights_and_biases_where_it_is_installed(tmp_path, fake_wandb):
    board = WeightsAndBiases.open(a_workdir(tmp_path))
    board.write(50, "train", {"loss": 0.5, "grad_norm": float("nan")})
    board.close()
    options = fake_wandb.asked[0]
    assert fake_wandb.run.logged == [(50, {"train/loss": 0.5})] and fake_wandb.run.finished
    assert options["name"] == "demo" and options["config"]["train"] == {"steps": 3}
    # nobody is asked to log in
    assert options["mode"] == "offline" and options["dir"] == str(tmp_path)
    WeightsAndBiases.open(tmp_path).close()
    assert fake_wandb.asked[1]["id"] == options["id"] and options["resume"] == "allow"


def test_weights_and_biases_that_fails_is_told_once_and_left_out(tmp_path, fake_wandb):
    def broken(*arguments, **options):
        raise ConnectionError("no route to host")

    board = WeightsAndBiases.open(a_workdir(tmp_path))
    fake_wandb.run.log = broken
    with pytest.warns(UserWarning, match="disabled from here on: ConnectionError: no route"):
        board.write(1, "train", {"loss": 1.0})
    board.write(2, "train", {"loss": 1.0})
    board.close()
    fake_wandb.init = broken
    with pytest.warns(UserWarning, match="disabled from here"):
        WeightsAndBiases.open(tmp_path).write(3, "train", {"loss": 1.0})


def test_without_the_package_or_switched_off_nothing_is_written(tmp_path, fake_wandb, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    WeightsAndBiases.open(a_workdir(tmp_path)).write(1, "train", {"loss": 1.0})
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    WeightsAndBiases.open(tmp_path).write(1, "train", {"loss": 1.0})
    assert fake_wandb.asked == [] and not (tmp_path / "wandb_id").exists()
