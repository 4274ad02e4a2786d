"""The numbers of a run: `<workdir>/metrics.jsonl` and TensorBoard, written without making the
device wait.

Weights & Biases gets them too, where it is installed (weights_and_biases.py).

Each training step leaves its metrics on the device. `MetricsLog.add` collects them; when an
interval is full, the interval *before* it is fetched (its steps are long done), averaged over its
steps and written. One line per entry:

    {"step": 150, "split": "train", "loss": 0.41, ..., "steps_per_s": 3.1, "data_wait": 0.02}

A resumed run drops the lines beyond the step it restored, so every step appears once.
"""

import contextlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import jax
import numpy as np
from tensorboardX import SummaryWriter

from ksdiff_jax.errors import InputError
from ksdiff_jax.files import replacing
from ksdiff_jax.parallel.distributed import leads
from ksdiff_jax.train.report.weights_and_biases import WeightsAndBiases
from ksdiff_jax.typing import Array, Float

Entry = dict[str, int | float]  # step, metrics, timing
# an entry as the file has it: step, split, metrics, timing
Line = dict[str, int | float | str | None]


class Interval:
    """Metrics of consecutive steps, still on the device, and the numbers the host knows
    about them.
    """

    def __init__(self):
        self.step = 0
        self.steps: list[dict[str, Float[Array, ""]]] = []
        self.timing: dict[str, float] = {}

    def mean(self) -> dict[str, float]:
        """Averages over the steps whose value is finite; `skipped` is a count, so its last
        value.
        """
        fetched = jax.device_get(self.steps)
        means = {}
        for name in fetched[0]:
            values = np.array([step[name] for step in fetched], np.float64)
            finite = values[np.isfinite(values)]
            means[name] = float(finite.mean()) if finite.size else math.nan
        means["skipped"] = float(fetched[-1]["skipped"])
        return means


class MetricsLog:
    """Writes entries for the splits `train` and `val`; of several processes only the first does."""

    def __init__(self, workdir: Path, *, from_step: int):
        self._path = workdir / "metrics.jsonl"
        writes = leads()
        if writes:
            drop_entries_beyond(self._path, from_step)
        self._file = (self._path if writes else Path(os.devnull)).open("a", encoding="utf-8")
        self._board = SummaryWriter(
            str(workdir / "tensorboard"), purge_step=from_step + 1, write_to_disk=writes
        )
        self._also = WeightsAndBiases.open(workdir) if writes else WeightsAndBiases()
        self._current = Interval()
        self._waiting: Interval | None = None

    def add(self, metrics: dict[str, Float[Array, ""]]) -> None:
        """Remember the device metrics of one step."""
        self._current.steps.append(metrics)

    def close_interval(self, step: int, timing: Mapping[str, float]) -> Entry | None:
        """End the interval at `step`; write and return the entry of the one before, if there is
        one.
        """
        entry = self.flush()
        self._current.step, self._current.timing = step, dict(timing)
        self._waiting, self._current = self._current, Interval()
        return entry

    def flush(self) -> Entry | None:
        """Write and return the entry that is waiting, if there is one. Waits for its steps."""
        interval, self._waiting = self._waiting, None
        if interval is None or not interval.steps:
            return None
        entry = {**interval.mean(), **interval.timing}
        self.write(interval.step, "train", entry)
        return {"step": interval.step, **entry}

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """One line of JSON (not-a-number as null), one scalar per finite value on the board."""
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        line = {"step": step, "split": split} | dict.fromkeys(values) | finite
        with _naming_disk_errors(self._path):
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
            for name, value in finite.items():
                self._board.add_scalar(f"{split}/{name}", value, step)
        self._also.write(step, split, values)

    def has(self, step: int, split: str) -> bool:
        """Whether there is a line of `split` at `step`; asked of the first process."""
        lines = self._path.read_text(encoding="utf-8").splitlines()
        return any(
            (entry["step"], entry["split"]) == (step, split) for entry in map(json.loads, lines)
        )

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Write what is waiting and close the files."""
        with _naming_disk_errors(self._path):
            self.flush()
            self._file.close()
            self._board.close()
            self._also.close()


@contextlib.contextmanager
def _naming_disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        free = shutil.disk_usage(path.parent).free
        raise InputError(
            f"{path}: cannot write ({error.strerror}; {free / 1e6:.0f} MB free on this disk)"
        ) from error


def read_entries(path: str | Path) -> list[Line]:
    """The lines of a `metrics.jsonl`, oldest first: none without a file, and not one that is cut
    short.

    It may be read while the run goes on. A value that was not finite is None.
    """
    path, entries = Path(path), []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(entry, dict) and {"step", "split"} <= entry.keys():
            entries.append(entry)
    return entries


def drop_entries_beyond(path: Path, step: int) -> None:
    """Remove lines whose step is after `step`, and a last line cut short by a crash."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (json.JSONDecodeError, KeyError, TypeError):
            continue
    with replacing(path) as temporary:
        temporary.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
