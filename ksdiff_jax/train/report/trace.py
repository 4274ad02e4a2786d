"""Records a profile of some training steps for XProf or Perfetto: `ksdiff-jax train ... --profile
START:STOP`.

`jax.profiler` records the steps START to STOP - 1, counted from 0 as in a Python slice, into
`<workdir>/profile`. Skip the first ten or so: the first step compiles, and the next ones warm up.
"""

import itertools
from collections.abc import Callable
from pathlib import Path

import jax

from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import PyTree


def parse_steps(text: str, *, steps: int) -> range:
    """Return the steps of "START:STOP" in a run of this many steps; raise `InputError` for any
    other text.
    """
    start, colon, stop = text.partition(":")
    if not (colon and start.isdecimal() and stop.isdecimal() and int(start) < int(stop)):
        raise InputError(
            f"--profile {text}: need START:STOP, two step numbers with START below STOP, such as "
            "10:13"
        )
    if int(start) >= steps:
        raise InputError(
            f"--profile {text}: the run has train.steps {steps}; need a START below that"
        )
    return range(int(start), int(stop))


class Trace:
    """Records the steps in `steps`, except those taken before this process began."""

    def __init__(self, steps: range, folder: Path):
        self._steps, self._folder, self._running = steps, folder, False

    def of(
        self,
        train_step: Callable[..., tuple],
        *,
        first: int,
        tell: Callable[[str], None] = lambda line: None,
    ) -> Callable[..., tuple]:
        """Return the training step that takes step number `first` next, with recording."""
        if self._steps and self._steps.stop <= first:
            tell(f"nothing is profiled: the run is past step {self._steps.stop}, at {first}")
        numbers = itertools.count(first)

        def watched(*inputs: PyTree) -> tuple:
            step = next(numbers)
            self.before(step)
            results = train_step(*inputs)
            self.after(step, results)
            return results

        return watched if self._steps else train_step

    def __enter__(self) -> "Trace":
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Write what was recorded so far."""
        self.close()

    def before(self, step: int) -> None:
        """Called before step number `step`."""
        if step in self._steps and not self._running:
            jax.profiler.start_trace(str(self._folder))
            self._running = True

    def after(self, step: int, results: PyTree) -> None:
        """Called after step number `step` with its `results`, which the device may still be
        computing.
        """
        if self._running and step + 1 >= self._steps.stop:
            jax.block_until_ready(results)
            self.close()

    def close(self) -> None:
        """Write the recording if one is in progress."""
        if self._running:
            self._running = False
            jax.profiler.stop_trace()
