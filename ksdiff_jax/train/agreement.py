"""Makes several processes stop at the same step, for a signal or because one has no more data.

A signal reaches one process or all, at different steps, but a step, a save and a validation need
all processes. With every step, each process therefore contributes the signal that it has received.
The largest over all devices is computed with the step and read `_LAG` steps later, when it is
already available. All processes read the same number after the same step, and stop there:

    step n      every process: received signal or 0  ->  max over devices, not waited for
    step n + 2  every process reads the result of step n; not 0: stop

An error in reading data is shared in the same way, and early enough: a batch is used only when the
reader has those of the next `BATCHES_CERTAIN` steps (feed.py), so that all processes take and save
the steps up to the missing batch.

The cost is one sum of a few bytes per step, without waiting. A process cannot leave alone a block
in which all take part, such as waiting for data or validation. A signal takes effect when the
current step is done.
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
# A value shared after step n ends the run after step n + _LAG, which must have its batch: the first
# missing batch is later.
BATCHES_CERTAIN = _LAG + 1
_BAD_DATA, _NO_DATA = 127, 126  # not the numbers of any signals


def stop_request(mesh: Mesh) -> StopRequest:
    """Return the signal handler of this run: with one process the first signal counts, with several
    their agreement.
    """
    return StopRequest() if jax.process_count() == 1 else SharedStopRequest(mesh)


def data_failure(*, bad: bool) -> Exception:
    """Return the exception to raise if another process cannot continue reading: the caller's
    mistake if the data are `bad`.
    """
    message = (
        "another process cannot read its training data and prints the reason; all steps until "
        "then are "
        "saved"
    )
    return InputError(message) if bad else RuntimeError(message)


class SharedStopRequest(StopRequest):
    """A `StopRequest` whose `signal` is set on all processes after the same step."""

    def __init__(self, mesh: Mesh):
        super().__init__()
        self._asked: deque[jax.Array] = deque()
        self._sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
        self._largest = jax.jit(jnp.max, out_shardings=replicated(mesh))

    def after_step(self, failure: BaseException | None = None) -> None:
        """Send the received signal or missing data to the others, and read what all sent two steps
        ago.
        """
        missing = _BAD_DATA if isinstance(failure, InputError) else _NO_DATA
        sent = np.full((1,), self._received if failure is None else missing, np.int32)
        devices = (self._sharding.num_devices,)
        flags = jax.make_array_from_callback(devices, self._sharding, lambda index: sent)
        self._asked.append(self._largest(flags))
        if len(self._asked) > _LAG and (number := int(self._asked.popleft())):
            if number in (_BAD_DATA, _NO_DATA):
                self.data_failure = data_failure(bad=number == _BAD_DATA)
            else:
                self.signal = signal.Signals(number)

    @contextlib.contextmanager
    def interruptible(self, save: Callable[[], None] | None = None) -> Iterator[None]:
        """An ordinary block: leaving it alone would keep the others waiting."""
        yield

    @contextlib.contextmanager
    def compiling(self) -> Iterator[None]:
        """An ordinary block as well: the others would notice only by a missed heartbeat."""
        yield

    def _answer(self) -> None:
        """Store the signal; `after_step` sends it to the others."""
