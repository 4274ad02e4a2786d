"""Training steps that were dispatched to the device and may not be finished."""

from collections import deque
from collections.abc import Callable

import jax

from ksdiff_jax.typing import PyTree


class InFlight:
    """Results of steps, oldest first; each function in `done` is called once for each step that the
    device has finished.
    """

    def __init__(self, *done: Callable[[], None]):
        self._results: deque[PyTree] = deque()
        self._done = done

    def add(self, result: PyTree) -> None:
        """Add a dispatched step; `result` is one of its outputs."""
        self._results.append(result)

    def settle(self, *, ahead: int = 0) -> None:
        """Wait until at most `ahead` of them are left."""
        while len(self._results) > ahead:
            jax.block_until_ready(self._results.popleft())
            for call in self._done:
                call()
