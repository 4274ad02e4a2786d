"""The metrics of a run: `<workdir>/metrics.jsonl` and TensorBoard, written without blocking the
device.

Weights & Biases also receives them if it is installed (weights_and_biases.py).

Each training step leaves its metrics on the device, and `MetricsLog.add` collects them. When an
interval is full, the interval *before* it is fetched (its steps are finished by then), averaged
over its steps and written. Each entry is one line:

    {"step": 150, "split": "train", "loss": 0.41, ..., "steps_per_s": 3.1, "data_wait": 0.02}

The terms of the loss include their weights (λ), so they add up to `loss`. Lines of `val` are means
over the clips of `validation_clips.json`. A resumed run drops the lines after the step that it
restored, so every step appears once.
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
from ksdiff_jax.parallel.distributed import is_main_process
from ksdiff_jax.train.report.weights_and_biases import WeightsAndBiases
from ksdiff_jax.typing import Array, Float

Entry = dict[str, int | float]  # step, metrics, timing
# an entry as stored in the file: step, split, metrics, timing
Line = dict[str, int | float | str | None]


class Interval:
    """Metrics of consecutive steps, still on the device, and the numbers that the host has for
    them.
    """

    def __init__(self):
        self.step = 0
        self.steps: list[dict[str, Float[Array, ""]]] = []
        self.timing: dict[str, float] = {}

    def mean(self) -> dict[str, float]:
        """Return averages over the steps whose value is finite; for `skipped`, which is a count,
        the last value.
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
    """Writes entries for the splits `train` and `val`; of several processes only the first
    writes.
    """

    def __init__(self, workdir: Path, *, from_step: int):
        self._path = workdir / "metrics.jsonl"
        writes = is_main_process()
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
        """Store the device metrics of one step."""
        self._current.steps.append(metrics)

    def close_interval(self, step: int, timing: Mapping[str, float]) -> Entry | None:
        """End the interval at `step`; write and return the entry of the previous one, if there is
        one.
        """
        entry = self.flush()
        self._current.step, self._current.timing = step, dict(timing)
        self._waiting, self._current = self._current, Interval()
        return entry

    def flush(self) -> Entry | None:
        """Write and return the pending entry, if there is one. This waits for its steps."""
        interval, self._waiting = self._waiting, None
        if interval is None or not interval.steps:
            return None
        entry = {**interval.mean(), **interval.timing}
        self.write(interval.step, "train", entry)
        return {"step": interval.step, **entry}

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Write one line of JSON (NaN as null), and one scalar per finite value to TensorBoard."""
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        line = {"step": step, "split": split} | dict.fromkeys(values) | finite
        with _naming_disk_errors(self._path):
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
            for name, value in finite.items():
                self._board.add_scalar(f"{split}/{name}", value, step)
        self._also.write(step, split, values)

    def has(self, step: int, split: str) -> bool:
        """Return whether there is a line of `split` at `step`, as process 0 sees it."""
        lines = self._path.read_text(encoding="utf-8").splitlines()
        return any(
            (entry["step"], entry["split"]) == (step, split) for entry in map(json.loads, lines)
        )

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Write the pending entry and close the files."""
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
    """Return the lines of a `metrics.jsonl`, oldest first; empty without a file, and without a line
    that is cut short.

    It may be read during the run. A value that was not finite is None.
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
    """Remove lines whose step is after `step`, and a last line that a crash cut short."""
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
