"""Progress and summary of a command that works through many files."""

import contextlib
import time
from pathlib import Path

from ksdiff_jax.cli.console import Console

EVERY_S = 20.0  # between the lines of a run without a terminal
MOST_NAMES = 20  # failures that the summary names


class Progress:
    """A bar on a terminal; elsewhere a line every `EVERY_S` seconds with the remaining time."""

    def __init__(self, console: Console, *, total: int):
        self._console, self._total = console, total
        self._done = self._failed = 0
        self._speech_s = 0.0
        self._started = self._shown = time.monotonic()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Progress":
        bar = self._console.progress("recordings", unit="files")
        self._update = self._stack.enter_context(bar)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def add(self, report: dict) -> None:
        """Count a finished recording, or a failure."""
        self._done += 1
        self._failed += "error" in report
        self._speech_s += report.get("duration_s", 0.0)
        self._update(self._done, self._total)
        now = time.monotonic()
        if now - self._shown >= EVERY_S and self._done < self._total:
            self._shown = now
            self._console.say(self.line(now - self._started))

    def line(self, seconds: float) -> str:
        """Return the state after `seconds` of work, with the estimated rest."""
        left_s = seconds / max(self._done, 1) * (self._total - self._done)
        failed = f", {self._failed:,} failed" if self._failed else ""
        return (
            f"  {self._done:,} of {self._total:,} recordings{failed}, "
            f"{self._speech_s / max(seconds, 1e-9):.1f} x real time, about {_span(left_s)} left"
        )


def summary(console: Console, reports: list[dict], *, done_before: int, manifest: Path) -> int:
    """Print what was done and what failed; return the exit status, 2 if any recording failed."""
    failed = [report for report in reports if "error" in report]
    done, total = len(reports) - len(failed), len(reports) + done_before
    console.say(f"{done + done_before:,} of {total:,} recordings animated, listed in {manifest}")
    if failed:
        names = [report["speech"] for report in failed[:MOST_NAMES]]
        more = f" and {len(failed) - MOST_NAMES:,} more" if len(failed) > MOST_NAMES else ""
        console.say(f"not animated: {', '.join(names)}{more}; the same command tries them again")
    content = {"results": reports, "done_before": done_before, "manifest": str(manifest)}
    console.result(content | {"out": str(manifest.parent)})
    return 2 if failed else 0


def _span(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
