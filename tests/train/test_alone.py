"""Only one run at a time can use a workdir."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

from ksdiff_jax import locks
from ksdiff_jax.errors import InputError
from ksdiff_jax.train import alone
from ksdiff_jax.train.workdir import open_workdir
from tests.started import Started
from tests.train.toy import toy_config


def test_a_start_waits_for_the_end_of_the_run_before_it(tmp_path, monkeypatch):
    monkeypatch.setattr(alone, "PATIENCE_S", {False: 60.0})
    events = []
    with ExitStack() as before:
        before.enter_context(open_workdir(tmp_path, toy_config(), tell=pytest.fail))
        before.callback(events.append, "the run before ends")
        threading.Timer(0.3, before.close).start()
        with open_workdir(tmp_path, toy_config(), tell=events.append):
            events.append("the next begins")
    assert events == [
        f"{tmp_path}: waiting for the run in it to end",
        "the run before ends",
        "the next begins",
    ]


def test_a_killed_process_keeps_nobody_out(tmp_path, monkeypatch):
    code = (
        "import fcntl, pathlib, sys, time\n"
        "lock = pathlib.Path(sys.argv[1], '.lock').open('a+')\n"
        "fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "time.sleep(600)\n"
    )
    monkeypatch.setattr(alone, "PATIENCE_S", {False: 0.0})
    with Started(
        [sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        with (
            pytest.raises(InputError, match="another run is using"),
            open_workdir(tmp_path, toy_config(), tell=str),
        ):
            pytest.fail("two runs in one folder")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with open_workdir(tmp_path, toy_config(), tell=pytest.fail):
            pass


def test_a_disk_without_locks_lets_all_in(tmp_path, monkeypatch):
    def no_locks(file, kind):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(locks.fcntl, "flock", no_locks)
    with open_workdir(tmp_path, toy_config(), tell=pytest.fail):
        pass
