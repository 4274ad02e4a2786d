"""Real signals to a real training process: saved, the promised exit status, and the run goes on from there."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ksdiff_jax.train.interrupt import Interrupted, StopRequest
from ksdiff_jax.train.loop import train
from ksdiff_jax.train.progress import Progress
from tests.train.toy import ToySystem, toy_config, toy_data

REPOSITORY = Path(__file__).parents[2]


def started(workdir, slow, *, heard=False):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.train.stoppable_run", str(workdir), slow],
        cwd=REPOSITORY,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE if heard else subprocess.DEVNULL,
        text=True,
    )


def wait_for_step(workdir, step):
    """Until the metrics of a step are written; entries come one interval late."""
    log = workdir / "metrics.jsonl"
    for _ in range(1200):
        if log.exists() and f'"step": {step},' in log.read_text():
            return
        time.sleep(0.05)
    pytest.fail("training did not start within a minute")


@pytest.mark.parametrize(("slow", "number"), [("steps", signal.SIGTERM), ("data", signal.SIGINT)])
def test_a_signal_saves_and_leaves_with_its_status_and_the_run_resumes(tmp_path, slow, number):
    process = started(tmp_path, slow)
    wait_for_step(tmp_path, 4)
    sent = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number, said
    assert time.monotonic() - sent < 10
    assert f"stopped by {number.name} at step" in said and "same command resumes" in said
    steps = sorted(int(folder.name) for folder in (tmp_path / "checkpoints").iterdir())
    stopped_at = int(said.split(f"stopped by {number.name} at step ")[1].split(",")[0])
    assert steps[-1] == stopped_at >= 4

    resumed = io.StringIO()
    config = toy_config(steps=stopped_at + 2, log_every=1)
    train(config, tmp_path, build_system=ToySystem, open_data=toy_data, progress=Progress(9, stream=resumed))
    assert f"at step {stopped_at}" in resumed.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize(("slow", "steps"), [("validation", 5), ("deaf", 5), ("compile", 0)])
def test_a_signal_in_validation_and_in_compilation_is_answered_within_ten_seconds(tmp_path, slow, steps):
    process = started(tmp_path, slow, heard=True)
    assert process.stdout.readline().strip() == ("compiling" if slow == "compile" else "validating")
    time.sleep(0.5)
    sent = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert time.monotonic() - sent < 10
    assert "stopped by SIGTERM" in said
    assert [int(folder.name) for folder in (tmp_path / "checkpoints").iterdir()] == ([steps] if steps else [])
    if steps:
        resumed = io.StringIO()
        config = toy_config(steps=steps + 1, log_every=1)
        train(config, tmp_path, build_system=ToySystem, open_data=toy_data, progress=Progress(9, stream=resumed))
        assert f"at step {steps}" in resumed.getvalue()


def test_inside_an_interruptible_block_a_signal_raises_and_elsewhere_it_only_notes():
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal == signal.SIGTERM and stop.exit_status == 143
        with pytest.raises(Interrupted), stop.interruptible():
            pytest.fail("the block must not begin once a signal has come")
    with StopRequest() as stop, pytest.raises(Interrupted), stop.interruptible():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    assert stop.exit_status == 130


def test_the_handlers_of_before_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_second_signal_leaves_at_once():
    code = (
        "import os, signal, time\n"
        "from ksdiff_jax.train.interrupt import StopRequest\n"
        "with StopRequest():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(30)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, timeout=20, check=False)
    assert done.returncode == 143 and b"without saving" in done.stderr
