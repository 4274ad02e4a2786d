"""The progress output of a run: one updating line on a terminal, plain lines elsewhere.

    step 1200/6000  loss 0.412  reconstruction 0.201 ...  3.1 steps/s  6,350 frames/s
    0.31 TFLOP/s  left 25:48  data wait 2 %  goodput 91 %

MFU follows TFLOP/s if the device's peak is known.
"""

import contextlib
import sys
from collections.abc import Mapping
from io import TextIOBase

from ksdiff_jax.plain_text import printable

_SPEEDS = ("steps_per_s", "frames_per_s", "tflops_per_s", "mfu", "data_wait", "goodput")
_NOT_TERMS = frozenset({"step", "grad_norm", "learning_rate", "skipped", *_SPEEDS})


class Progress:
    """Writes to `stream` (default: standard error)."""

    def __init__(self, total_steps: int, *, stream: TextIOBase | None = None):
        self._stream = sys.stderr if stream is None else stream
        self._total = total_steps
        self._terminal = self._stream.isatty()
        self._open_line = False

    def tell(self, message: str) -> None:
        """Print a permanent line."""
        # a log on a full disk, or a reader that has exited: the run continues
        with contextlib.suppress(OSError):
            self._end_line()
            print(printable(message), file=self._stream, flush=True)

    def update(self, entry: Mapping[str, int | float]) -> None:
        """Show the state of training: an entry of `MetricsLog`."""
        line = progress_line(entry, self._total)
        if not self._terminal:
            self.tell(line)
            return
        with contextlib.suppress(OSError):
            self._stream.write(f"\r\x1b[K{line}")
            self._stream.flush()
            self._open_line = True

    def close(self) -> None:
        """Move the cursor to a new line."""
        with contextlib.suppress(OSError):
            self._end_line()

    def _end_line(self) -> None:
        if self._open_line:
            self._stream.write("\n")
            self._open_line = False


def progress_line(entry: Mapping[str, int | float], total_steps: int) -> str:
    """Return one line from a log entry: step, loss, its terms, speed, time left, share of time
    spent waiting for data.
    """
    terms = [
        f"{name} {value:.4g}"
        for name, value in entry.items()
        if name not in _NOT_TERMS and name != "loss"
    ]
    parts = [f"step {entry['step']:.0f}/{total_steps}", f"loss {entry['loss']:.4g}", *terms]
    if speed := entry.get("steps_per_s"):
        left_s = (total_steps - entry["step"]) / speed
        parts += [f"{speed:.3g} steps/s", *_use(entry), f"left {clock(left_s)}"]
        parts += [
            f"data wait {100 * entry['data_wait']:.1f} %",
            f"goodput {100 * entry['goodput']:.0f} %",
        ]
    if skipped := entry.get("skipped"):
        parts.append(f"skipped {skipped:.0f}")
    return "  ".join(parts)


def _use(entry: Mapping[str, int | float]) -> list[str]:
    """Return frames/s, and TFLOP/s and MFU if they are known."""
    parts = [f"{entry['frames_per_s']:,.0f} frames/s"]
    if "tflops_per_s" in entry:
        parts.append(f"{entry['tflops_per_s']:.3g} TFLOP/s")
    if "mfu" in entry:
        parts.append(f"MFU {100 * entry['mfu']:.1f} %")
    return parts


def clock(seconds: float) -> str:
    """Return seconds as h:mm:ss or m:ss."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"
