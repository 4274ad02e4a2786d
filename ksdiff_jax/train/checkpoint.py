"""Saving and restoring a run, with proof: Orbax v1 for the arrays, a SHA-256 per array beside them.

Orbax restores arrays whose bits were flipped on disk without a word, so every checkpoint carries in
its metadata the digest of each leaf and of the data position, and `Checkpoints.restore` recomputes
them. A checkpoint that does not match is reported and the one before it is tried; once that has
proved sound, the other is moved to `<folder>/../corrupt/`. Several processes decide that together.
Saving runs in the background; a checkpoint has its final name only when it is complete, and whoever
restores waits for it. Opening the folder removes what a killed process left half saved, so one run
at a time may have it open (workdir.py). No other file of the package imports Orbax.
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
    """A run at a checkpoint: its state on the mesh, and where its data iterator stood."""

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
        self._failure: Exception | None = None  # of a save, which the next `wait` raises

    def steps(self) -> list[int]:
        """Steps of the finished checkpoints, oldest first."""
        # As the disk has them. Orbax also lists the one being saved, and none that it would have
        # deleted after it.
        return sorted(
            int(path.name)
            for path in self.folder.iterdir()
            if path.name.isdecimal() and path.is_dir()
        )

    def save(self, state: TrainState, position: DataPosition, *, step: int) -> None:
        """Start saving; returns once the state is copied to the host, so that it may be donated."""
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
        """Wait until the checkpoint being saved has its final name; raises `InputError` if the disk
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
        """Finish what is being saved and let go of the folder."""
        try:
            self.wait()
        finally:
            with self._naming_disk_errors():
                self._orbax.close()

    @contextlib.contextmanager
    def _naming_disk_errors(self) -> Iterator[None]:
        """A full disk is no bug: one line with the folder and what is free, instead of Orbax's
        traceback.
        """
        try:
            yield
        except (OSError, ValueError, RuntimeError) as error:
            # TensorStore's errors come as ValueError, with the number of the system's error in
            # their text.
            if not isinstance(error, OSError) and "os_error_code" not in str(error):
                raise
            free = shutil.disk_usage(self.folder.parent).free
            raise InputError(
                f"{self.folder}: cannot save a checkpoint ({first_line(error)}; {free / 1e6:.0f} "
                "MB free on this disk); the ones before are intact"
            ) from error

    def restore(self, abstract: TrainState, *, tell: Callable[[str], None]) -> Restored | None:
        """The newest sound checkpoint, laid out as `abstract` says; None if there are no
        checkpoints at all.

        Waits for the one being saved; if that fails, the one before it is used, and the next `wait`
        raises why. Corrupt ones are reported through `tell`, and moved aside once one before them
        has proved sound. Raises `CheckpointCorrupt` if none is sound; all stay where they are.
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
                tell(f"checkpoint of step {step} is corrupt ({error}); trying the one before it")
                problems[step] = str(error)
                continue
            for passed_over in problems:
                self._set_aside(passed_over)
            return restored
        if problems:  # a disk out of reach, perhaps: a later start may find all of them sound
            said = "; ".join(problems.values())
            raise CheckpointCorrupt(
                f"{self.folder}: no sound checkpoint, and nothing was moved or begun anew: {said}"
            )
        return None

    def _load(self, step: int, abstract: TrainState) -> Restored:
        """The checkpoint of `step`; raises `CheckpointCorrupt` on every process if it is not sound
        for one.

        Each process reads alone and all agree on the outcome before the next thing that needs them
        together. In Orbax's own barriers those who can read would wait minutes for one who cannot.
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
    """The steps that process 0 sees; on a network disk others may not see all of them yet, or
    still.
    """
    return json.loads(from_main_process(json.dumps(steps)))


def _reading_alone() -> ocp.Context:
    """In this context Orbax waits for no other process."""
    context, this = ocp.Context(), jax.process_index()
    context.multiprocessing.primary_host = this
    context.multiprocessing.active_processes = {this}
    context.multiprocessing.barrier_sync_key_prefix = f"process{this}"
    return context


def _together(folder: Path, read: Callable[[], T]) -> T:
    """What `read` gives; raises `CheckpointCorrupt` on every process if it fails on one."""
    result, failure = None, None
    try:
        result = read()
    except CheckpointCorrupt as error:
        failure = error
    except Exception as error:
        # whatever Orbax, TensorStore or the JSON reader make of damaged files
        failure = CheckpointCorrupt(f"{folder}: cannot be read: {first_line(error)}")
        failure.__cause__ = error
    if any_process(failure is not None):
        raise failure or CheckpointCorrupt(f"{folder}: another process cannot read it")
    return result


def _manifest(folder: Path, abstract: TrainState) -> dict:
    """Digests and data position as saved; raises `CheckpointCorrupt` if they do not fit each other
    or this model.
    """
    manifest = ocp.checkpointables_metadata(folder).custom_metadata
    if not manifest or "digests" not in manifest:
        raise CheckpointCorrupt(f"{folder}: its manifest of digests is missing")
    if _text_digest(manifest["position"]) != manifest["position_digest"]:
        raise CheckpointCorrupt(f"{folder}: the data position is not what was saved")
    if differing := named_leaves(abstract).keys() ^ manifest["digests"].keys():
        raise CheckpointCorrupt(
            f"{folder}: holds other arrays than this model, such as {min(differing)}"
        )
    return manifest


def _verify(folder: Path, state: TrainState, digests: dict[str, str]) -> None:
    """Raises `CheckpointCorrupt` naming the first leaf whose digest is not the one in the
    manifest.
    """
    # All of them, also after the first that differs: every process must take part in bringing them
    # to the hosts.
    if wrong := [
        name
        for name, leaf in named_leaves(state).items()
        if leaf_digest(on_host(leaf)) != digests[name]
    ]:
        raise CheckpointCorrupt(f"{folder}: {wrong[0]} is not what was saved (SHA-256 differs)")


def _text_digest(position: DataPosition) -> str:
    return hashlib.sha256(json.dumps(position, sort_keys=True).encode()).hexdigest()
