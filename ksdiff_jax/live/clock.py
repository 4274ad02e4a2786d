"""Passes on the frames of a stream when they are due.

The frame with time t is due at start + (t - t_0) of one monotonic clock. Waits are until that
instant, not for a period, so that their errors do not add up: the last frame of an hour is as
punctual as the second. A frame that is late by more than `TOO_LATE_S`, after the machine slept or a
source stalled, is left out, so that the receiver does not replay the past.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ksdiff_jax.live.frame import LiveFrame, Stream

TOO_LATE_S = 0.25


@dataclass
class Punctuality:
    """Counts of a stream so far."""

    sent: int = 0
    left_out: int = 0
    latest_s: float = 0.0  # the greatest delay of a frame that was passed on


def on_time(
    stream: Stream,
    punctuality: Punctuality,
    *,
    too_late_s: float = TOO_LATE_S,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[float, LiveFrame]]:
    """Yield each frame of a stream when it is due, and count."""
    start = None
    for time_s, frame in stream:
        if start is None:
            start = now() - time_s
        due = start + time_s
        while (wait := due - now()) > 0:
            sleep(wait)
        if -wait > too_late_s:
            punctuality.left_out += 1
            continue
        punctuality.sent += 1
        punctuality.latest_s = max(punctuality.latest_s, -wait)
        yield time_s, frame
