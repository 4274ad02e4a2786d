"""Checkpoints: restored bit for bit, corrupt ones reported and skipped, the newest kept."""

import errno
import json
import os
import shutil
import threading
from contextlib import ExitStack
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ksdiff_jax.train.checkpoint as checkpoint_module
from ksdiff_jax.config import MeshConfig
from ksdiff_jax.errors import InputError
from ksdiff_jax.parallel.mesh import make_mesh
from ksdiff_jax.train.checkpoint import CheckpointCorrupt, Checkpoints
from ksdiff_jax.train.optimizer import make_optimizer
from ksdiff_jax.train.state import abstract_state, sharded_initial_state
from ksdiff_jax.tree import tree_digest
from tests.train.toy import ToySystem, toy_config


@pytest.fixture(scope="module")
def state_and_target():
    config = toy_config()
    system, optimizer = ToySystem(config), make_optimizer(config.train)
    abstract = abstract_state(system, optimizer, make_mesh(MeshConfig(), devices=jax.devices()[:1]))
    return sharded_initial_state(system, optimizer, jax.random.key(1), abstract=abstract), abstract


def at_step(state, step):
    params = jax.tree.map(lambda leaf: leaf + step, state.params)
    return state._replace(step=jnp.int32(step), params=params)


@pytest.fixture
def opened():
    """Open a folder of checkpoints, which is closed when the test ends."""
    with ExitStack() as stack:
        yield lambda folder, *, kept=2: stack.enter_context(Checkpoints(folder, kept=kept))


@pytest.fixture
def saved(opened):
    """Checkpoints of some steps of a state."""
    return lambda folder, state, steps=(10, 20), kept=2: all_saved(
        opened(folder, kept=kept), state, steps
    )


def all_saved(checkpoints, state, steps):
    for step in steps:
        checkpoints.save(at_step(state, step), {"next": step}, step=step)
    checkpoints.wait()
    return checkpoints


def test_what_was_saved_comes_back_bit_for_bit_with_the_data_position(
    tmp_path, state_and_target, opened, saved
):
    state, abstract = state_and_target
    saved(tmp_path / "c", state).close()
    restored = opened(tmp_path / "c").restore(abstract, tell=pytest.fail)
    assert tree_digest(restored.state) == tree_digest(at_step(state, 20))
    assert restored.position == {"next": 20}


def test_a_state_may_be_donated_as_soon_as_save_returns(tmp_path, state_and_target, opened):
    state, abstract = state_and_target
    moving = jax.tree.map(jnp.copy, at_step(state, 5))
    expected = tree_digest(moving)
    advance = jax.jit(lambda s: jax.tree.map(lambda leaf: leaf + 1, s), donate_argnums=0)
    checkpoints = opened(tmp_path / "c")
    checkpoints.save(moving, {}, step=5)
    for _ in range(20):
        moving = advance(moving)
    assert tree_digest(checkpoints.restore(abstract, tell=pytest.fail).state) == expected


class Disk:
    """Where a checkpoint gets its final name: it does so once `ready`, unless it is `full`."""

    def __init__(self, monkeypatch):
        self.ready, self.full, self.events = threading.Event(), False, []
        for name in ("rename", "replace"):
            monkeypatch.setattr(os, name, self._watched(getattr(os, name)))

    def _watched(self, move):
        def moved(source, target, **options):
            if (
                ".orbax-checkpoint-tmp" not in Path(source).name
                or not Path(target).name.isdecimal()
            ):
                return move(source, target, **options)
            assert self.ready.wait(60)
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            move(source, target, **options)
            self.events.append(f"named {Path(target).name}")
            return None

        return moved


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def test_a_checkpoint_that_is_being_saved_is_waited_for(tmp_path, state_and_target, disk, opened):
    state, abstract = state_and_target
    with opened(tmp_path / "c") as checkpoints:
        for step in (10, 20):
            disk.ready.clear()
            checkpoints.save(at_step(state, step), {"next": step}, step=step)
            assert checkpoints.steps() == list(range(10, step, 10))  # those that are finished
            threading.Timer(0.2, disk.ready.set).start()
            restored = checkpoints.restore(abstract, tell=pytest.fail)
            disk.events.append(f"restored {restored.position['next']}")
            assert tree_digest(restored.state) == tree_digest(at_step(state, step))
    assert disk.events == ["named 10", "restored 10", "named 20", "restored 20"]
    assert not (tmp_path / "corrupt").exists()


def test_if_it_cannot_be_saved_the_one_before_is_used_and_the_error_is_not_lost(
    tmp_path, state_and_target, disk, saved
):
    state, abstract = state_and_target
    disk.ready.set()
    with saved(tmp_path / "c", state, steps=(10, 20), kept=2) as checkpoints:
        disk.full = True
        checkpoints.save(at_step(state, 30), {"next": 30}, step=30)
        restored = checkpoints.restore(abstract, tell=pytest.fail)
        assert tree_digest(restored.state) == tree_digest(at_step(state, 20))
        # also that which would have gone for the one that failed
        assert checkpoints.steps() == [10, 20]
        with pytest.raises(InputError, match=r"cannot save a checkpoint .*No space left"):
            checkpoints.wait()
        disk.full = False
        checkpoints.save(at_step(state, 30), {"next": 30}, step=30)
        assert checkpoints.restore(abstract, tell=pytest.fail).position == {"next": 30}
    assert not (tmp_path / "corrupt").exists()


def test_only_the_newest_are_kept(tmp_path, state_and_target, saved):
    state, _ = state_and_target
    checkpoints = saved(tmp_path / "c", state, steps=(10, 20, 30, 40), kept=2)
    assert checkpoints.steps() == [30, 40]


def test_a_night_of_saves_leaves_no_threads_behind(tmp_path, state_and_target, opened):
    state, _ = state_and_target
    with opened(tmp_path / "c") as checkpoints:
        counts = []
        for step in range(1, 9):
            checkpoints.save(at_step(state, step), {"next": step}, step=step)
            checkpoints.wait()
            counts.append(threading.active_count())
    assert counts[-1] - counts[1] < 3, counts


def test_an_empty_folder_has_nothing_to_restore(tmp_path, state_and_target, opened):
    assert opened(tmp_path / "c", kept=1).restore(state_and_target[1], tell=pytest.fail) is None


def flip_a_weight(monkeypatch, *, step, leaf):
    """Make the reader deliver one wrong bit, as a flipped bit on disk does without an error."""
    load = checkpoint_module.ocp.load_checkpointables

    def flipped(folder, target):
        result = load(folder, target)
        if folder.name == str(step):
            kernel = np.array(result["state"].params["first"]["kernel"])
            kernel.view(np.uint32)[0, 0] ^= 1
            result["state"].params["first"]["kernel"] = jnp.asarray(kernel)
        return result

    monkeypatch.setattr(checkpoint_module.ocp, "load_checkpointables", flipped)


def test_one_flipped_bit_is_named_and_the_checkpoint_before_is_used(
    tmp_path, state_and_target, monkeypatch, saved
):
    state, abstract = state_and_target
    checkpoints = saved(tmp_path / "c", state)
    flip_a_weight(monkeypatch, step=20, leaf="first/kernel")
    said = []
    restored = checkpoints.restore(abstract, tell=said.append)
    assert tree_digest(restored.state) == tree_digest(at_step(state, 10))
    assert "step 20" in said[0] and "params/first/kernel is not what was saved" in said[0]
    assert (tmp_path / "corrupt" / "20-0").is_dir()
    # The sound ones go on being saved and kept; the corrupt step can be taken again.
    checkpoints.save(at_step(state, 20), {"next": 20}, step=20)
    checkpoints.wait()
    assert checkpoints.steps() == [10, 20]


@pytest.mark.parametrize("damage", ["truncate", "delete", "zero", "manifest"])
def test_damaged_files_are_passed_over(tmp_path, state_and_target, damage, opened, saved):
    state, abstract = state_and_target
    saved(tmp_path / "c", state).close()
    folder = tmp_path / "c" / "20"
    data = max(
        (path for path in folder.rglob("d/*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    if damage == "truncate":
        data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    elif damage == "delete":
        shutil.rmtree(folder / "state")
    elif damage == "zero":
        data.write_bytes(bytes(data.stat().st_size))
    else:
        path = folder / "_CHECKPOINT_METADATA"
        metadata = json.loads(path.read_text())
        metadata["custom_metadata"]["position"] = {"next": 21}
        path.write_text(json.dumps(metadata))
    said = []
    restored = opened(tmp_path / "c").restore(abstract, tell=said.append)
    assert tree_digest(restored.state) == tree_digest(at_step(state, 10))
    assert len(said) == 1 and "step 20 is corrupt" in said[0]


def test_without_a_sound_checkpoint_nothing_is_silently_started_anew(
    tmp_path, state_and_target, opened, saved
):
    state, abstract = state_and_target
    saved(tmp_path / "c", state).close()
    away = [(tmp_path / "c" / str(step) / "state", tmp_path / f"away-{step}") for step in (10, 20)]
    for here, there in away:
        shutil.move(here, there)
    for _ in range(2):  # a second start finds no empty folder
        with pytest.raises(CheckpointCorrupt, match="no valid checkpoint; nothing was moved"):
            opened(tmp_path / "c").restore(abstract, tell=lambda line: None)
    for here, there in away:  # the disk is back
        shutil.move(there, here)
    restored = opened(tmp_path / "c").restore(abstract, tell=pytest.fail)
    assert restored.position == {"next": 20} and not (tmp_path / "corrupt").exists()
