"""Interrupted work is repeated, and a checkpoint is recorded before it counts as saved."""

import json
import os
import signal
import time

import jax
import pytest

from ksdiff_jax.config import MeshConfig
from ksdiff_jax.parallel.mesh import make_mesh
from ksdiff_jax.train.agreement import SharedStopRequest
from ksdiff_jax.train.checkpoint import Checkpoints
from ksdiff_jax.train.interrupt import StopRequest
from tests.train.test_loop import entries, run
from tests.train.toy import toy_config


def exported_step(workdir):
    return json.loads((workdir / "pretrained" / "config.json").read_text())["extra"]["step"]


def test_a_validation_that_a_signal_cut_short_is_owed_by_the_next_start(tmp_path):
    def stopped_at_the_end(system, params, data):
        if [entry["step"] for entry in entries(tmp_path, "val")] == [10]:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        return {"figure": 1.0}

    outcome, _ = run(tmp_path, evaluate=stopped_at_the_end)
    assert outcome.exit_status == 128 + signal.SIGTERM and int(outcome.state.step) == 20
    assert exported_step(tmp_path) == 10
    for _ in range(2):  # owed once
        outcome, said = run(tmp_path, evaluate=lambda system, params, data: {"figure": 2.0})
        assert outcome.exit_status == 0 and "nothing to do" in said
    assert [(entry["step"], entry["figure"]) for entry in entries(tmp_path, "val")] == [
        (10, 1.0),
        (20, 2.0),
    ]
    assert exported_step(tmp_path) == 20


@pytest.mark.parametrize("log_every", [10, 1000])
def test_log_and_goodput_know_of_a_checkpoint_as_soon_as_it_is_taken(
    tmp_path, monkeypatch, log_every
):
    """A process that is killed at any later moment leaves no gap in the log and no sound step
    counted as lost.
    """
    logged, marked, save = {}, {}, Checkpoints.save

    def watched(self, state, position, *, step):
        logged[step] = [entry["step"] for entry in entries(tmp_path)]
        goodput = tmp_path / "goodput.json"
        marked[step] = (
            list(json.loads(goodput.read_text())["step_s_at"]) if goodput.exists() else []
        )
        save(self, state, position, step=step)

    monkeypatch.setattr(Checkpoints, "save", watched)
    run(
        tmp_path, toy_config(steps=30, log_every=log_every, validate_every=100, checkpoint_every=10)
    )
    assert "10" in marked[20] and "20" in marked[30]
    if log_every == 10:
        assert logged == {10: [10], 20: [10, 20], 30: [10, 20, 30]}


def test_of_several_processes_none_has_leave_to_go_from_a_compilation():
    alone, together = (
        StopRequest(),
        SharedStopRequest(make_mesh(MeshConfig(), devices=jax.devices()[:1])),
    )
    with alone.compiling(), together.compiling():
        assert alone._rescue is not None and together._rescue is None
