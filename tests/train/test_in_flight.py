"""Steps count when they are done, not when they are dispatched."""

import jax
import jax.numpy as jnp

from ksdiff_jax.train.in_flight import InFlight


def test_a_step_is_done_once_it_was_waited_for_and_only_once(monkeypatch):
    waited, done = [], []
    monkeypatch.setattr(jax, "block_until_ready", waited.append)
    in_flight = InFlight(lambda: done.append(len(waited)))
    results = [jnp.float32(step) for step in range(4)]
    for result in results:
        in_flight.add(result)
        in_flight.settle(ahead=2)
    assert [float(result) for result in waited] == [0, 1] and done == [1, 2]
    in_flight.settle()
    assert [float(result) for result in waited] == [0, 1, 2, 3] and done == [1, 2, 3, 4]
