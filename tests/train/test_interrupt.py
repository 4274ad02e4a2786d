"""Real signals to a real training process: it saves, exits with the promised status, and the run
resumes from there.
"""

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
from ksdiff_jax.train.report.progress import Progress
from tests.promised import BOUND_S, ENDLESS_S, promised_within
from tests.started import Started
from tests.train.toy import ToySystem, open_toy, toy_config

REPOSITORY = Path(__file__).parents[2]


def started(workdir, slow, *, heard=False):
    return Started(
        [sys.executable, "-m", "tests.train.stoppable_run", str(workdir), slow],
        cwd=REPOSITORY,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE if heard else subprocess.DEVNULL,
        text=True,
    )


def wait_for_step(workdir, step):
    """Until the metrics of a step are written; entries come one interval late."""
    log, until = workdir / "metrics.jsonl", time.monotonic() + 5 * BOUND_S
    while not log.exists() or f'"step": {step},' not in log.read_text():
        if time.monotonic() > until:
            pytest.fail(f"training did not come to step {step} in {5 * BOUND_S:.0f} s")
        time.sleep(0.05)


def stop(process, number, *, within_s):
    """What the process said on standard error until it left with the signal's status, in time."""
    sent = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=ENDLESS_S / 2)
    assert process.returncode == 128 + number, said
    assert time.monotonic() - sent < within_s
    return said


@promised_within(10)
@pytest.mark.parametrize(("slow", "number"), [("steps", signal.SIGTERM), ("data", signal.SIGINT)])
def test_a_signal_saves_and_leaves_with_its_status_and_the_run_resumes(
    tmp_path, slow, number, within_s
):
    with started(tmp_path, slow) as process:
        wait_for_step(tmp_path, 4)
        said = stop(process, number, within_s=within_s)
    assert f"stopped by {number.name} at step" in said and "same command resumes" in said
    steps = sorted(int(folder.name) for folder in (tmp_path / "checkpoints").iterdir())
    stopped_at = int(said.split(f"stopped by {number.name} at step ")[1].split(",")[0])
    assert steps[-1] == stopped_at >= 4

    resumed = io.StringIO()
    config = toy_config(steps=stopped_at + 2, log_every=1)
    train(
        config,
        tmp_path,
        build_system=ToySystem,
        open_data=open_toy,
        progress=Progress(9, stream=resumed),
    )
    assert f"at step {stopped_at}" in resumed.getvalue()


@promised_within(10, otherwise=(pytest.mark.slow,))
@pytest.mark.parametrize(("slow", "steps"), [("validation", 5), ("deaf", 5), ("compile", 0)])
def test_a_signal_in_validation_and_in_compilation_is_answered(tmp_path, slow, steps, within_s):
    with started(tmp_path, slow, heard=True) as process:
        assert process.stdout.readline().strip() == (
            "compiling" if slow == "compile" else "validating"
        )
        time.sleep(0.5)
        said = stop(process, signal.SIGTERM, within_s=within_s)
    assert "stopped by SIGTERM" in said
    assert [int(folder.name) for folder in (tmp_path / "checkpoints").iterdir()] == (
        [steps] if steps else []
    )
    if steps:
        resumed = io.StringIO()
        config = toy_config(steps=steps + 1, log_every=1)
        train(
            config,
            tmp_path,
            build_system=ToySystem,
            open_data=open_toy,
            progress=Progress(9, stream=resumed),
        )
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
        f"    time.sleep({ENDLESS_S})\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, timeout=ENDLESS_S / 2, check=False
    )
    assert done.returncode == 143 and b"without saving" in done.stderr
