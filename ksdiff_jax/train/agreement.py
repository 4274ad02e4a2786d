"""Several processes that stop at the same step, for a signal or because one has no more data.

A signal reaches one process or all, at different steps; yet a step, a save and a validation need
everybody. So each process tells, with every step, the signal it has received; the largest over all
devices is computed beside the step and read `_LAG` steps later, when it is long there. All read the
same number after the same step, and stop there:

    step n      every process: received signal or 0  ->  max over devices, not waited for
    step n + 2  every process reads the answer of step n; not 0: stop

An error in reading data is told the same way, and soon enough: a batch is used only when the reader
has those of the next `BATCHES_CERTAIN` steps (feed.py), so that all take the steps up to the
missing batch, and save them.

It costs one sum of a few bytes per step, and nothing is waited for. What one process alone does not
wait for, data and validation, cannot be left by it alone: a signal takes effect when the step that
is being waited for is done.
"""

import contextlib
import signal
from collections import deque
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ksdiff_jax.errors import InputError
from ksdiff_jax.parallel.arrays import replicated
from ksdiff_jax.train.interrupt import StopRequest

_LAG = 2
# What is told after step n ends the run after step n + _LAG, which must have its batch: the first
# missing is later.
BATCHES_CERTAIN = _LAG + 1
_BAD_DATA, _NO_DATA = 127, 126  # no signals have these numbers


def stop_request(mesh: Mesh) -> StopRequest:
    """What catches the signals of this run: on one process the first signal counts, on several
    their agreement.
    """
    return StopRequest() if jax.process_count() == 1 else SharedStopRequest(mesh)


def data_failure(*, bad: bool) -> Exception:
    """What a process raises where another cannot read on: the caller's mistake if the data are
    `bad`, else none.
    """
    said = (
        "another process cannot read its training data, and says why; all steps until then are "
        "saved"
    )
    return InputError(said) if bad else RuntimeError(said)


class SharedStopRequest(StopRequest):
    """A `StopRequest` whose `signal` is set on all processes after the same step."""

    def __init__(self, mesh: Mesh):
        super().__init__()
        self._asked: deque[jax.Array] = deque()
        self._sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
        self._largest = jax.jit(jnp.max, out_shardings=replicated(mesh))

    def after_step(self, failure: BaseException | None = None) -> None:
        """Tell the others what was received or is missing, and learn what all had told two steps
        ago.
        """
        missing = _BAD_DATA if isinstance(failure, InputError) else _NO_DATA
        told = np.full((1,), self._received if failure is None else missing, np.int32)
        devices = (self._sharding.num_devices,)
        flags = jax.make_array_from_callback(devices, self._sharding, lambda index: told)
        self._asked.append(self._largest(flags))
        if len(self._asked) > _LAG and (number := int(self._asked.popleft())):
            if number in (_BAD_DATA, _NO_DATA):
                self.data_failure = data_failure(bad=number == _BAD_DATA)
            else:
                self.signal = signal.Signals(number)

    @contextlib.contextmanager
    def interruptible(self, save: Callable[[], None] | None = None) -> Iterator[None]:
        """A block like any other: to leave it alone would leave the others waiting."""
        yield

    @contextlib.contextmanager
    def compiling(self) -> Iterator[None]:
        """Nor from a compilation: the others would find out by a missed heartbeat only."""
        yield

    def _answer(self) -> None:
        """Noted; `after_step` tells the others."""
