"""A step that hangs ends the process with its own status and leaves the stacks; one that goes on does not."""

import subprocess
import sys
from pathlib import Path

import pytest

from ksdiff_jax.config import TrainConfig
from ksdiff_jax.errors import InputError
from ksdiff_jax.train.optimizer import check_train_config

REPOSITORY = Path(__file__).parents[2]

SCRIPT = """
import sys, time
from ksdiff_jax.train.watchdog import Watchdog

def step_that_hangs():
    time.sleep(30)

with Watchdog(sys.argv[1], hang_s=0.5) as watchdog:
    for _ in range(8):
        time.sleep(0.1)
        watchdog.alive()
    with watchdog.patient():
        time.sleep(1.0)
    if sys.argv[2] == "hang":
        step_that_hangs()
"""


def run(workdir, what):
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(workdir), what],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )


def test_a_hang_ends_with_status_75_and_the_stacks_in_the_workdir_and_on_standard_error(tmp_path):
    done = run(tmp_path, "hang")
    assert done.returncode == 75, done.stderr
    (path,) = tmp_path.glob("hang-*.txt")
    for text in (path.read_text(), done.stderr):
        assert "in step_that_hangs" in text and "after 8 steps" in text
    assert str(path) in done.stderr


def test_steps_that_go_on_and_a_long_compilation_are_left_alone(tmp_path):
    done = run(tmp_path, "end")
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


def test_a_patience_below_zero_is_refused():
    with pytest.raises(InputError, match=r"train\.hang_s -1"):
        check_train_config(TrainConfig(hang_s=-1.0))
