"""Saves and restores a run with verification: Orbax v1 for the arrays, and a SHA-256 per array.

Orbax restores arrays with bits flipped on disk without an error. Every checkpoint therefore stores
in its metadata the digest of each leaf and of the data position, and `Checkpoints.restore`
recomputes them. A checkpoint that does not match is reported, and the previous one is tried; once
that has been verified, the other is moved to `<folder>/../corrupt/`. Several processes decide this
together. Saving runs in the background. A checkpoint has its final name only when it is complete,
and a restore waits for it. Opening the folder removes what a killed process left incomplete, so
only one run at a time may open it (workdir.py). No other file of the package imports Orbax.
"""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import jax
from orbax.checkpoint import v1 as ocp

from ksdiff_jax.errors import CheckpointCorrupt, InputError, first_line
from ksdiff_jax.parallel.arrays import on_host
from ksdiff_jax.parallel.distributed import (
    any_process,
    from_main_process,
    is_main_process,
    wait_for_all,
)
from ksdiff_jax.train.state import TrainState
from ksdiff_jax.tree import leaf_digest, named_leaves

DataPosition = dict
T = TypeVar("T")


class Restored(NamedTuple):
    """A run at a checkpoint: its state on the mesh, and the position of its data iterator."""

    state: TrainState
    position: DataPosition


class Checkpoints:
    """The checkpoints of one run, `<folder>/<step>/`, the newest `kept` of them."""

    def __init__(self, folder: str | Path, *, kept: int):
        self.folder = Path(folder).absolute()
        self._orbax = ocp.training.Checkpointer(
            self.folder,
            preservation_policy=ocp.training.preservation_policies.LatestN(kept),
            cleanup_tmp_directories=True,
        )
        self._saving: ocp.AsyncResponse | None = None
        self._failure: Exception | None = None  # of a save; the next `wait` raises it

    def steps(self) -> list[int]:
        """Return the steps of the finished checkpoints, oldest first."""
        # Read from the disk. Orbax also lists the one being saved, and omits those that it will
        # delete after it.
        return sorted(
            int(path.name)
            for path in self.folder.iterdir()
            if path.name.isdecimal() and path.is_dir()
        )

    def save(self, state: TrainState, position: DataPosition, *, step: int) -> None:
        """Start saving; return when the state is copied to the host, so that it may be donated."""
        self.wait()
        digests = {name: leaf_digest(on_host(leaf)) for name, leaf in named_leaves(state).items()}
        manifest = {
            "position": position,
            "position_digest": _text_digest(position),
            "digests": digests,
        }
        with self._naming_disk_errors():
            self._saving = self._orbax.save_checkpointables_async(
                step, {"state": state}, custom_metadata=manifest
            )

    def wait(self) -> None:
        """Wait until the checkpoint being saved has its final name; raise `InputError` if the disk
        refused it.
        """
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        saving, self._saving = self._saving, None
        with self._naming_disk_errors():
            try:
                if saving is not None:
                    saving.result()  # Orbax's thread for this save ends here, and only here
            finally:
                self._orbax.wait()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish saving and release the folder."""
        try:
            self.wait()
        finally:
            with self._naming_disk_errors():
                self._orbax.close()

    @contextlib.contextmanager
    def _naming_disk_errors(self) -> Iterator[None]:
        """Convert the error of a full disk to one line with the folder and the free space, instead
        of Orbax's traceback.
        """
        try:
            yield
        except (OSError, ValueError, RuntimeError) as error:
            # TensorStore's errors are ValueErrors with the number of the system's error in their
            # text.
            if not isinstance(error, OSError) and "os_error_code" not in str(error):
                raise
            free = shutil.disk_usage(self.folder.parent).free
            raise InputError(
                f"{self.folder}: cannot save a checkpoint ({first_line(error)}; {free / 1e6:.0f} "
                "MB free on this disk); the previous ones are intact"
            ) from error

    def restore(self, abstract: TrainState, *, tell: Callable[[str], None]) -> Restored | None:
        """Return the newest valid checkpoint with the layout of `abstract`; None if there are no
        checkpoints at all.

        Waits for the one being saved; if that fails, the previous one is used, and the next `wait`
        raises the reason. Corrupt ones are reported through `tell`, and moved aside once a previous
        one has been verified. Raises `CheckpointCorrupt` if none is valid; all stay in place.
        """
        try:
            self.wait()
        except Exception as error:
            self._failure = error
        problems: dict[int, str] = {}
        for step in reversed(_steps_seen_by_first(self.steps())):
            try:
                restored = self._load(step, abstract)
            except CheckpointCorrupt as error:  # on all processes
                tell(f"checkpoint of step {step} is corrupt ({error}); trying the previous one")
                problems[step] = str(error)
                continue
            for passed_over in problems:
                self._set_aside(passed_over)
            return restored
        # a disk may be temporarily unavailable, and a later start may find all of them valid
        if problems:
            reasons = "; ".join(problems.values())
            raise CheckpointCorrupt(
                f"{self.folder}: no valid checkpoint; nothing was moved and no new run was "
                f"started: {reasons}"
            )
        return None

    def _load(self, step: int, abstract: TrainState) -> Restored:
        """Return the checkpoint of `step`; raise `CheckpointCorrupt` on every process if it is
        invalid for one.

        Each process reads alone, and all agree on the outcome before the next operation that needs
        them together. In Orbax's own barriers, processes that can read would wait minutes for one
        that cannot.
        """
        folder = self.folder / str(step)
        with _reading_alone():
            manifest = _together(folder, lambda: _manifest(folder, abstract))
            state = _together(
                folder, lambda: ocp.load_checkpointables(folder, {"state": abstract})["state"]
            )
        _together(folder, lambda: _verify(folder, state, manifest["digests"]))
        return Restored(state=state, position=manifest["position"])

    def _set_aside(self, step: int) -> None:
        if is_main_process():
            target = self.folder.parent / "corrupt"
            target.mkdir(exist_ok=True)
            number = len(list(target.glob(f"{step}-*")))
            shutil.move(self.folder / str(step), target / f"{step}-{number}")
        wait_for_all(f"checkpoint {step} set aside")
        self._orbax.reload()


def _steps_seen_by_first(steps: list[int]) -> list[int]:
    """Return the steps that process 0 finds; on a network disk others may not see all of them yet,
    or may still see deleted ones.
    """
    return json.loads(from_main_process(json.dumps(steps)))


def _reading_alone() -> ocp.Context:
    """Return a context in which Orbax waits for no other process."""
    context, this = ocp.Context(), jax.process_index()
    context.multiprocessing.primary_host = this
    context.multiprocessing.active_processes = {this}
    context.multiprocessing.barrier_sync_key_prefix = f"process{this}"
    return context


def _together(folder: Path, read: Callable[[], T]) -> T:
    """Return the result of `read`; raise `CheckpointCorrupt` on every process if it fails on
    one.
    """
    result, failure = None, None
    try:
        result = read()
    except CheckpointCorrupt as error:
        failure = error
    except Exception as error:
        # any error that Orbax, TensorStore or the JSON reader raises for damaged files
        failure = CheckpointCorrupt(f"{folder}: cannot be read: {first_line(error)}")
        failure.__cause__ = error
    if any_process(failure is not None):
        raise failure or CheckpointCorrupt(f"{folder}: another process cannot read it")
    return result


def _manifest(folder: Path, abstract: TrainState) -> dict:
    """Return digests and data position as saved; raise `CheckpointCorrupt` if they do not match
    each other or this model.
    """
    manifest = ocp.checkpointables_metadata(folder).custom_metadata
    if not manifest or "digests" not in manifest:
        raise CheckpointCorrupt(f"{folder}: its manifest of digests is missing")
    if _text_digest(manifest["position"]) != manifest["position_digest"]:
        raise CheckpointCorrupt(f"{folder}: the data position is not what was saved")
    if differing := named_leaves(abstract).keys() ^ manifest["digests"].keys():
        raise CheckpointCorrupt(
            f"{folder}: contains other arrays than this model, such as {min(differing)}"
        )
    return manifest


def _verify(folder: Path, state: TrainState, digests: dict[str, str]) -> None:
    """Raise `CheckpointCorrupt` with the first leaf whose digest differs from the manifest."""
    # Check all of them, also after the first that differs: every process must take part in copying
    # them to the hosts.
    if wrong := [
        name
        for name, leaf in named_leaves(state).items()
        if leaf_digest(on_host(leaf)) != digests[name]
    ]:
        raise CheckpointCorrupt(f"{folder}: {wrong[0]} is not what was saved (SHA-256 differs)")


def _text_digest(position: DataPosition) -> str:
    return hashlib.sha256(json.dumps(position, sort_keys=True).encode()).hexdigest()
