"""What a person watching a run sees: one line that renews itself on a terminal, plain lines elsewhere.

step 1200/6000  loss 0.412  reconstruction 0.201 ...  3.1 steps/s  left 25:48  data wait 2 %
"""

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from io import TextIOBase

_NOT_TERMS = frozenset({"step", "grad_norm", "learning_rate", "skipped", "steps_per_s", "data_wait"})


class Progress:
    """Writes to `stream` (default: standard error)."""

    def __init__(self, total_steps: int, *, stream: TextIOBase | None = None):
        self._stream = sys.stderr if stream is None else stream
        self._total = total_steps
        self._terminal = self._stream.isatty()
        self._open_line = False

    def tell(self, message: str) -> None:
        """A line that stays."""
        self._end_line()
        print(message, file=self._stream, flush=True)

    def update(self, entry: Mapping[str, int | float]) -> None:
        """The state of training: an entry of `MetricsLog`."""
        line = progress_line(entry, self._total)
        if not self._terminal:
            self.tell(line)
            return
        self._stream.write(f"\r\x1b[K{line}")
        self._stream.flush()
        self._open_line = True

    def close(self) -> None:
        """Leave the cursor on a fresh line."""
        self._end_line()

    def _end_line(self) -> None:
        if self._open_line:
            self._stream.write("\n")
            self._open_line = False


def progress_line(entry: Mapping[str, int | float], total_steps: int) -> str:
    """One line from a log entry: step, loss, its terms, speed, time left, share of time spent waiting for data."""
    terms = [f"{name} {value:.4g}" for name, value in entry.items() if name not in _NOT_TERMS and name != "loss"]
    parts = [f"step {entry['step']:.0f}/{total_steps}", f"loss {entry['loss']:.4g}", *terms]
    if speed := entry.get("steps_per_s"):
        left_s = (total_steps - entry["step"]) / speed
        parts += [f"{speed:.3g} steps/s", f"left {clock(left_s)}", f"data wait {100 * entry['data_wait']:.0f} %"]
    if skipped := entry.get("skipped"):
        parts.append(f"skipped {skipped:.0f}")
    return "  ".join(parts)


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"


class Stopwatch:
    """Speed and data wait since the last `lap`."""

    def __init__(self):
        self._started = time.perf_counter()
        self._waited_s = 0.0
        self._steps = 0

    def count(self, *, waited_s: float) -> None:
        """One step, which waited this long for its batch."""
        self._waited_s += waited_s
        self._steps += 1

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Time inside the block does not count."""
        paused = time.perf_counter()
        try:
            yield
        finally:
            self._started += time.perf_counter() - paused

    def lap(self) -> dict[str, float]:
        """`steps_per_s` and `data_wait` (a share) since the last call; starts over."""
        now = time.perf_counter()
        elapsed = max(now - self._started, 1e-9)
        result = {"steps_per_s": self._steps / elapsed, "data_wait": self._waited_s / elapsed}
        self._started, self._waited_s, self._steps = now, 0.0, 0
        return result
