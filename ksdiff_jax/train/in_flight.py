"""Training steps that were given to the device and are not known to be done."""

from collections import deque
from collections.abc import Callable

import jax

from ksdiff_jax.typing import PyTree


class InFlight:
    """Results of steps, oldest first; each of `done` is called once for each that the device has
    finished.
    """

    def __init__(self, *done: Callable[[], None]):
        self._results: deque[PyTree] = deque()
        self._done = done

    def add(self, result: PyTree) -> None:
        """One more step was dispatched; `result` is something that it gives."""
        self._results.append(result)

    def settle(self, *, ahead: int = 0) -> None:
        """Wait until no more than `ahead` of them are left."""
        while len(self._results) > ahead:
            jax.block_until_ready(self._results.popleft())
            for call in self._done:
                call()
