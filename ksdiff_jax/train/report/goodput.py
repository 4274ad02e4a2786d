"""Goodput: which share of a run's wall-clock time went into training steps, and where the rest
went.

| bucket | seconds spent |
|---|---|
| step | in training steps that count: goodput is this bucket over the sum of all |
| start | setting up: system, data, state; of the first process of a run |
| compile | in the first training step, traced and compiled, until all processes have done so |
| data | waiting for batches |
| checkpoint | starting to save, and waiting for what is being saved |
| validation | in validation, samples and export |
| restart | setting up again and restoring, and from a killed process's end to the next start |
| lost | in steps whose result was lost: those after the checkpoint that a later process took up |

Every moment belongs to one bucket, `step` where no other is open, so the buckets add up to the wall
time. They are kept in `<workdir>/goodput.json` and go on where a run is resumed. The time between
an orderly end and a resumption is nobody's fault and is not counted.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ksdiff_jax.files import write_json
from ksdiff_jax.parallel.distributed import leads

BUCKETS = ("step", "start", "compile", "data", "checkpoint", "validation", "restart", "lost")
FILE_NAME = "goodput.json"
_OF_TRAINING = ("step", "data")  # what the speed of a log interval is measured over


class Goodput:
    """The clock of a run; it starts in `start`.

    `clock` is monotonic, `now` is the time of day; both in seconds.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.perf_counter,
        now: Callable[[], float] = time.time,
    ):
        self._clock, self._now = clock, now
        self._seconds = dict.fromkeys(BUCKETS, 0.0)
        self._open, self._since = ["start"], clock()
        self._starts = 1
        self._step_s_at = {0: 0.0}  # by step of a checkpoint, the seconds of `step` until then
        self._steps, self._lap = 0, dict(self._seconds)

    @contextlib.contextmanager
    def spent(self, bucket: str) -> Iterator[None]:
        """Charge the block to `bucket`; an inner block charges its own."""
        self._settle()
        self._open.append(bucket)
        try:
            yield
        finally:
            self._settle()
            self._open.pop()

    def resume(self, workdir: Path, *, step: int) -> None:
        """Go on with what an earlier process of this run wrote down; the state restored is that of
        `step`.
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
        # A step without a mark is one whose checkpoint was finished but not yet written down here.
        sound_s = kept[step] if step in kept else max(kept.values(), default=0.0)
        lost_s = max(0.0, self._seconds["step"] - sound_s)
        self._seconds["step"] -= lost_s
        self._seconds["lost"] += lost_s
        self._step_s_at = kept | {step: sound_s}

    def begin(self) -> None:
        """The set-up is over: from here on time belongs to `step` unless another bucket is open."""
        self._settle()
        self._open[0] = "step"
        self._lap = dict(self._seconds)

    def count_step(self) -> None:
        """One more step was finished."""
        self._steps += 1

    def saved(self, step: int) -> None:
        """A checkpoint of `step` was taken: the steps so far are not lost in a crash."""
        self._settle()
        self._step_s_at[step] = self._seconds["step"]

    def lap(self) -> dict[str, float]:
        """Of the time since the last call: `steps_per_s` and `data_wait` (share); and `goodput` of
        the whole run.

        Where no step was finished in that time, as at the start of a queue, its speed is unknown
        and left out.
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
        """Seconds of the run so far by bucket; their sum is its wall time."""
        self._settle()
        return dict(self._seconds)

    def write(self, workdir: Path, *, ended: bool = False) -> None:
        """Keep the figures in `workdir`; `ended` after an orderly end, also by a signal."""
        if not leads():  # one account of a run of several processes
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
    """What `Goodput.write` left in `workdir`; None where there is nothing or it cannot be read."""
    return _read(workdir / FILE_NAME)


def _read(path: Path) -> dict | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        known = set(content["seconds"]) == set(BUCKETS) and {
            "ended",
            "written_at",
            "starts",
            "step_s_at",
        } <= set(content)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return content if known else None
