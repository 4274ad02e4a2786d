"""Two processes of four devices each over loopback: one is killed, or one receives a signal, and
the run loses nothing.
"""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from ksdiff_jax.train.loop import train
from ksdiff_jax.train.report.progress import Progress
from tests.promised import BOUND_S, promised_within
from tests.started import Started
from tests.train.test_interrupt import wait_for_step
from tests.train.test_loop import entries
from tests.train.toy import ToySystem, toy_config, toy_data

REPOSITORY = Path(__file__).parents[2]
SLOW_COMPILER_S = 20.0


class Together(ExitStack):
    """The processes of one run."""

    def __init__(self, workdir, *options, processes=2):
        super().__init__()
        # Held to the end, so that no other process of this machine gets the port; the coordinator
        # shares it.
        kept = self.enter_context(socket.socket())
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind(("127.0.0.1", 0))
        port = kept.getsockname()[1]
        several = [
            "--coordinator",
            f"127.0.0.1:{port}",
            "--processes",
            str(processes),
            "--process-id",
        ]
        self.processes = [
            self.enter_context(
                Started(
                    [sys.executable, "-m", "tests.train.together_run", str(workdir), *options]
                    + ([*several, str(number)] if processes > 1 else []),
                    cwd=REPOSITORY,
                    env=os.environ | {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
            for number in range(processes)
        ]

    def end(self, timeout_s=5 * BOUND_S):
        """What each wrote; the statuses are in `statuses`.

        All are read at once: a process whose pipe is full stands still, and the others wait for it.
        """
        with ThreadPoolExecutor(len(self.processes)) as readers:
            reads = [readers.submit(p.communicate, timeout=timeout_s) for p in self.processes]
            said = [read.result()[0] for read in reads]
        self.statuses = [process.returncode for process in self.processes]
        return said


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A run without incident; and one of which a process is killed, later one is told to stop, and
    that then ends.
    """
    folder = tmp_path_factory.mktemp("together")
    whole, broken, told = folder / "whole", folder / "broken", {}
    with Together(whole, "--slow-compiler", str(SLOW_COMPILER_S)) as first:
        told["whole"] = first.end()
    assert first.statuses == [0, 0], told["whole"]

    with Together(broken, "--pace", "0.2") as killed:
        wait_for_step(broken, 7)
        until = time.monotonic() + BOUND_S
        while not (broken / "checkpoints" / "5").is_dir() and time.monotonic() < until:
            time.sleep(0.05)  # it is saved in the background
        killed.processes[1].kill()
        at = time.monotonic()
        told["killed"] = killed.end()
    told["killed_statuses"], told["noticed_s"] = killed.statuses, time.monotonic() - at

    (broken / "metrics.jsonl").unlink()  # so that a step in it is one of the second start
    with Together(broken, "--pace", "0.2") as stopped:
        wait_for_step(broken, 8)
        stopped.processes[1].send_signal(signal.SIGTERM)
        told["stopped"] = stopped.end()
    told["stopped_statuses"] = stopped.statuses
    shutil.copytree(broken, folder / "elsewhere")

    with Together(broken) as last:
        told["ended"] = last.end()
    assert last.statuses == [0, 0], told["ended"]
    return folder, told


@promised_within(30, otherwise=(pytest.mark.slow,))
def test_a_killed_process_takes_the_other_with_it_within_the_heartbeat(story, within_s):
    _, told = story
    assert told["killed_statuses"] == [-signal.SIGABRT, -signal.SIGKILL]
    assert told["noticed_s"] < within_s
    # By the service that watches over all, or by Gloo: after a lost connection its ranks here do
    # not agree either.
    assert (
        "another task died" in told["killed"][0]
        or "Received data size doesn't match" in told["killed"][0]
    )
    assert "resuming" in told["stopped"][0] and "at step 5" in told["stopped"][0]


@pytest.mark.slow
def test_waiting_for_a_process_that_compiles_longer_counts_as_compilation(story):
    folder, _ = story
    # of process 0; process 1 was late
    spent = json.loads((folder / "whole" / "goodput.json").read_text())["seconds"]
    assert spent["compile"] > 0.9 * SLOW_COMPILER_S and spent["step"] < 0.9 * SLOW_COMPILER_S


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both_after_the_same_step(story):
    _, told = story
    assert told["stopped_statuses"] == [128 + signal.SIGTERM] * 2, told["stopped"]
    assert "stopped by SIGTERM at step" in told["stopped"][0]
    steps = [said.split("ended at ")[1].split()[0] for said in told["stopped"]]
    assert steps[0] == steps[1] and 5 < int(steps[0]) < 20


@pytest.mark.slow
def test_after_a_kill_and_a_stop_the_losses_are_those_of_the_run_without_incident_bit_for_bit(
    story,
):
    folder, told = story
    for split in ("train", "val"):
        whole = {entry["step"]: entry["loss"] for entry in entries(folder / "whole", split)}
        broken = {entry["step"]: entry["loss"] for entry in entries(folder / "broken", split)}
        assert len(whole) == (20 if split == "train" else 2)
        assert broken and broken == {
            step: loss for step, loss in whole.items() if step >= min(broken)
        }
    assert entries(folder / "whole", "val")[-1]["asked"] == 1  # process 0, and it alone, evaluates
    assert told["whole"][1].count("step") == 0  # process 1 says nothing but its end


@pytest.mark.slow
def test_a_run_of_two_processes_goes_on_on_one_with_eight_devices_and_on_one_with_one(story):
    folder, told = story
    at = int(told["stopped"][0].split("stopped by SIGTERM at step ")[1].split(",")[0])
    whole = [e["loss"] for e in entries(folder / "whole")][-5:]

    shutil.copytree(folder / "elsewhere", folder / "eight")
    with Together(folder / "eight", "--devices", "8", processes=1) as eight:
        (said,) = eight.end()
    assert eight.statuses == [0] and f"resuming {folder / 'eight'} at step {at}" in said, said
    # The restored state is bit-exact: every array is compared with its digest. Sums are taken in
    # another order.
    np.testing.assert_allclose(
        [e["loss"] for e in entries(folder / "eight")][-5:], whole, rtol=1e-5
    )

    data, said = toy_data(toy_config()), io.StringIO()
    config = toy_config(steps=20, log_every=1, validate_every=10, checkpoint_every=5)
    train(
        config,
        folder / "elsewhere",
        build_system=ToySystem,
        open_data=lambda system: data,
        progress=Progress(20, stream=said),
    )
    assert data.batches.read[0] == at  # the batch after the last that two processes used
    np.testing.assert_allclose(
        [e["loss"] for e in entries(folder / "elsewhere")][-5:], whole, rtol=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("files", ["_CHECKPOINT_METADATA", "d/*"])
def test_what_one_process_cannot_read_all_pass_over_at_once_and_go_on_saving(
    story, tmp_path, files
):
    folder, _ = story
    shutil.copytree(folder / "whole", tmp_path / "run")
    started = time.monotonic()
    with Together(tmp_path / "run", "--steps", "30", "--unreadable", f"20:{files}") as run:
        said = run.end()
    assert run.statuses == [0, 0], said
    assert time.monotonic() - started < 4 * BOUND_S  # Orbax's barriers take 300 s
    assert (
        "checkpoint of step 20 is corrupt" in said[0]
        and "another process cannot read it" in said[0]
    )
    assert f"resuming {tmp_path / 'run'} at step 15" in said[0]
    assert (tmp_path / "run" / "corrupt" / "20-0").is_dir()
    steps = sorted(int(path.name) for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert steps[-1] == 30 and 20 in {entry["step"] for entry in entries(tmp_path / "run")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        ([], 2, "ksdiff-jax train: batch 13: "),
        (["--crash"], 1, "OSError: batch 13: "),  # after a crash: start again
    ],
)
def test_what_one_process_cannot_read_of_the_data_ends_both_after_the_step_before_which_is_saved(
    tmp_path, options, status, says
):
    with Together(tmp_path / "run", "--bad-batch", "13", "--pace", "0.2", *options) as run:
        said = run.end()
    assert run.statuses == [status, status], said
    assert said[1].splitlines()[-1] == f"{says}its checksum differs"
    assert (
        "another process cannot read its training data and prints the reason"
        in said[0].splitlines()[-1]
    )
    assert (tmp_path / "run" / "checkpoints" / "13").is_dir()
    assert [entry["step"] for entry in entries(tmp_path / "run")] == list(range(1, 14))


@pytest.mark.slow
def test_a_bad_batch_among_the_first_ends_both_before_they_begin(tmp_path):
    with Together(tmp_path / "run", "--bad-batch", "1") as run:
        said = run.end()
    assert run.statuses == [2, 2], said
    assert said[1].splitlines()[-1] == "ksdiff-jax train: batch 1: its checksum differs"
