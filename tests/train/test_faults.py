"""Faults while a run saves: kill -9 at random moments, a full disk.

`KILL_TRIALS=20` tries more often.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import jax
import pytest

from ksdiff_jax.config import MeshConfig
from ksdiff_jax.parallel.mesh import make_mesh
from ksdiff_jax.train.checkpoint import Checkpoints
from ksdiff_jax.train.optimizer import make_optimizer
from ksdiff_jax.train.state import abstract_state, sharded_initial_state
from ksdiff_jax.train.steps import make_train_step
from ksdiff_jax.tree import tree_digest
from tests.promised import BOUND_S
from tests.started import Started
from tests.train.toy import ToySystem, toy_batch, toy_config

REPOSITORY = Path(__file__).parents[2]
TRIALS = int(os.environ.get("KILL_TRIALS", "4"))


def started(workdir, full):
    return Started(
        [sys.executable, "-m", "tests.train.faulty_run", str(workdir), full],
        cwd=REPOSITORY,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(workdir):
    folder = workdir / "checkpoints"
    return (
        sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())
        if folder.exists()
        else []
    )


class Unfaulted:
    """The states that a run without faults goes through."""

    def __init__(self):
        config = toy_config()
        system, optimizer = ToySystem(config), make_optimizer(config.train)
        mesh = make_mesh(MeshConfig(), devices=jax.devices()[:1])
        self.abstract = abstract_state(system, optimizer, mesh)
        self._step = make_train_step(system, optimizer, abstract=self.abstract, mesh=mesh)
        self._state = sharded_initial_state(
            system, optimizer, jax.random.key(config.train.seed), abstract=self.abstract
        )

    def digest_at(self, step):
        """Steps must be asked for in ascending order."""
        while int(self._state.step) < step:
            self._state, _ = self._step(self._state, toy_batch(int(self._state.step)))
        return tree_digest(self._state)


@pytest.mark.slow
def test_kill_at_a_random_moment_of_saving_loses_nothing_that_was_finished(tmp_path):
    draw, unfaulted, resumed_at = random.Random(1), Unfaulted(), []
    for _ in range(TRIALS):
        before = max(finished(tmp_path), default=0)
        with started(tmp_path, "none") as process:
            until = time.monotonic() + 5 * BOUND_S
            while max(finished(tmp_path), default=0) < before + 3:
                assert process.poll() is None, process.communicate()[1]
                assert time.monotonic() < until
                time.sleep(0.002)
            time.sleep(draw.uniform(0, 0.05))  # every step saves, so this is somewhere in a save
            process.kill()
        newest = max(finished(tmp_path))
        checkpoints = Checkpoints(tmp_path / "checkpoints", kept=2)
        restored = checkpoints.restore(unfaulted.abstract, tell=pytest.fail)
        checkpoints.close()
        assert int(restored.state.step) == newest and restored.position == {"number": newest}
        assert tree_digest(restored.state) == unfaulted.digest_at(newest)
        resumed_at.append(newest)
    assert resumed_at == sorted(set(resumed_at))  # each start went on from the one before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("full", "says"), [("saving", "checkpoints: cannot save"), ("logging", "metrics.jsonl: cannot")]
)
def test_a_full_disk_is_one_line_and_what_was_saved_stays(tmp_path, full, says):
    with started(tmp_path, full) as process:
        _, said = process.communicate(timeout=5 * BOUND_S)
    assert process.returncode == 2, said
    # TensorBoard's own thread may add what it thinks of the disk.
    (line,) = [line for line in said.splitlines() if line.startswith("ksdiff-jax train: ")]
    assert says in line and "MB free on this disk" in line and str(tmp_path) in line
    assert 10 in finished(tmp_path)
    unfaulted = Unfaulted()
    checkpoints = Checkpoints(tmp_path / "checkpoints", kept=2)
    restored = checkpoints.restore(unfaulted.abstract, tell=pytest.fail)
    assert tree_digest(restored.state) == unfaulted.digest_at(int(restored.state.step))
