"""Goodput: the share of a run's wall-clock time spent in training steps, and the use of the rest.

| bucket | seconds spent |
|---|---|
| step | in training steps that count: goodput is this bucket over the sum of all |
| start | setting up: system, data, state; of the first process of a run |
| compile | in the first training step, traced and compiled, until all processes have done so |
| data | waiting for batches |
| checkpoint | starting to save, and waiting for a save to finish |
| validation | in validation, samples and export |
| restart | setting up again and restoring, and from a killed process's end to the next start |
| lost | in steps whose result was lost: those after the checkpoint that a later process restored |

Every moment belongs to one bucket, `step` if no other is open, so the buckets add up to the wall
time. They are stored in `<workdir>/goodput.json` and continue when a run is resumed. The time
between an orderly end and a resumption is not counted.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ksdiff_jax.files import write_json
from ksdiff_jax.parallel.distributed import is_main_process

TIME_BUCKETS = ("step", "start", "compile", "data", "checkpoint", "validation", "restart", "lost")
FILE_NAME = "goodput.json"
_OF_TRAINING = ("step", "data")  # the buckets over which the speed of a log interval is measured


class Goodput:
    """The time account of a run; it starts in the bucket `start`.

    `clock` is monotonic, `now` is the time of day; both in seconds.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.perf_counter,
        now: Callable[[], float] = time.time,
    ):
        self._clock, self._now = clock, now
        self._seconds = dict.fromkeys(TIME_BUCKETS, 0.0)
        self._open, self._since = ["start"], clock()
        self._starts = 1
        self._step_s_at = {0: 0.0}  # by step of a checkpoint, the seconds of `step` until then
        self._steps, self._lap = 0, dict(self._seconds)

    @contextlib.contextmanager
    def spent(self, bucket: str) -> Iterator[None]:
        """Charge the block to `bucket`; an inner block charges its own bucket."""
        self._settle()
        self._open.append(bucket)
        try:
            yield
        finally:
            self._settle()
            self._open.pop()

    def resume(self, workdir: Path, *, step: int) -> None:
        """Continue the account that an earlier process of this run stored; the restored state is
        that of `step`.
        """
        self._settle()
        before = _read(workdir / FILE_NAME)
        if before is None:
            return
        set_up_s, self._seconds["start"] = self._seconds["start"], 0.0
        for bucket, seconds in before["seconds"].items():
            self._seconds[bucket] += seconds
        self._seconds["restart"] += set_up_s
        if not before["ended"]:
            self._seconds["restart"] += max(0.0, self._now() - set_up_s - before["written_at"])
        self._starts = before["starts"] + 1
        kept = {int(at): seconds for at, seconds in before["step_s_at"].items() if int(at) <= step}
        # A step without an entry is one whose checkpoint was finished but not yet recorded here.
        sound_s = kept[step] if step in kept else max(kept.values(), default=0.0)
        lost_s = max(0.0, self._seconds["step"] - sound_s)
        self._seconds["step"] -= lost_s
        self._seconds["lost"] += lost_s
        self._step_s_at = kept | {step: sound_s}

    def begin(self) -> None:
        """End the set-up: from here on time belongs to `step` unless another bucket is open."""
        self._settle()
        self._open[0] = "step"
        self._lap = dict(self._seconds)

    def count_step(self) -> None:
        """Count a finished step."""
        self._steps += 1

    def saved(self, step: int) -> None:
        """Record that a checkpoint of `step` was saved: a crash does not lose the steps so far."""
        self._settle()
        self._step_s_at[step] = self._seconds["step"]

    def lap(self) -> dict[str, float]:
        """Return `steps_per_s` and `data_wait` (share) since the last call, and `goodput` of the
        whole run.

        If no step was finished in that time, as at the start of a queue, the speed is unknown and
        left out.
        """
        self._settle()
        passed = {bucket: self._seconds[bucket] - self._lap[bucket] for bucket in _OF_TRAINING}
        training_s = max(sum(passed.values()), 1e-9)
        result = {"steps_per_s": self._steps / training_s} if self._steps else {}
        result |= {
            "data_wait": passed["data"] / training_s,
            "goodput": self._seconds["step"] / max(sum(self._seconds.values()), 1e-9),
        }
        self._steps, self._lap = 0, dict(self._seconds)
        return result

    def seconds(self) -> dict[str, float]:
        """Return the seconds of the run so far by bucket; their sum is its wall time."""
        self._settle()
        return dict(self._seconds)

    def write(self, workdir: Path, *, ended: bool = False) -> None:
        """Store the figures in `workdir`; `ended` after an orderly end, also by a signal."""
        if not is_main_process():  # one account for all processes of a run
            return
        seconds = self.seconds()
        wall_s = sum(seconds.values())
        content = {
            "goodput": seconds["step"] / max(wall_s, 1e-9),
            "wall_s": wall_s,
            "seconds": seconds,
            "starts": self._starts,
            "step_s_at": self._step_s_at,
            "written_at": self._now(),
            "ended": ended,
        }
        write_json(workdir / FILE_NAME, content)

    def _settle(self) -> None:
        now = self._clock()
        self._seconds[self._open[-1]] += now - self._since
        self._since = now


def read_goodput(workdir: Path) -> dict | None:
    """Return what `Goodput.write` stored in `workdir`; None if there is nothing or it cannot be
    read.
    """
    return _read(workdir / FILE_NAME)


def _read(path: Path) -> dict | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        known = set(content["seconds"]) == set(TIME_BUCKETS) and {
            "ended",
            "written_at",
            "starts",
            "step_s_at",
        } <= set(content)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return content if known else None
