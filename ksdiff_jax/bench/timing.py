"""Compiling and timing: programs are compiled at the same time, and timed in turn.

Times of different programs are taken in turn, so that whatever else the machine does falls on all
of them. A timed run queues its calls and waits for the device once, at its end.
"""

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import jax


class Program(NamedTuple):
    """A compiled function, and the seconds it took to get it; others may have been compiled at the
    same time.
    """

    call: Callable[..., Any]
    trace_s: float
    compile_s: float

    def costs(self) -> dict[str, float]:
        """The seconds, rounded."""
        return {"trace_s": round(self.trace_s, 2), "compile_s": round(self.compile_s, 2)}


class Programs:
    """Programs by name.

    One that cannot be compiled raises its error where it is asked for, and not before.
    """

    def __init__(self, lower: Mapping[str, Callable[[], Any]]):
        """Trace each in turn and compile all of them at the same time; returns when all are done.

        `lower[name]()` is a `jax.stages.Lowered`.
        """
        self._found: dict[str, Future] = {}
        with ThreadPoolExecutor(max_workers=max(1, min(len(lower), os.cpu_count() or 1))) as pool:
            for name, make in lower.items():
                started = time.perf_counter()
                try:
                    lowered = make()
                except Exception as error:
                    self._found[name] = Future()
                    self._found[name].set_exception(error)
                else:
                    self._found[name] = pool.submit(
                        _compiled, lowered, time.perf_counter() - started
                    )
            wait(self._found.values())

    def __getitem__(self, name: str) -> Program:
        return self._found[name].result()


def _compiled(lowered: Any, trace_s: float) -> Program:
    started = time.perf_counter()
    compiled = lowered.compile()
    return Program(compiled, trace_s, time.perf_counter() - started)


def seconds(work: Callable[[], Any]) -> float:
    """Seconds until the result of `work()` is computed."""
    started = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - started


def in_turn(works: Mapping[str, Callable[[], Any]], *, repeats: int) -> dict[str, list[float]]:
    """Seconds of every work by its name, `repeats` times, one work after the other each time."""
    rounds = [{name: seconds(work) for name, work in works.items()} for _ in range(repeats)]
    return {name: [times[name] for times in rounds] for name in works}


def spread(times_s: Sequence[float], *, calls: int = 1, name: str = "ms") -> dict[str, float]:
    """Median, fastest and slowest of the times of one of `calls` calls, in milliseconds."""
    each = [1000 * time_s / calls for time_s in times_s]
    return {
        name: round(statistics.median(each), 4),
        f"{name}_fastest": round(min(each), 4),
        f"{name}_slowest": round(max(each), 4),
    }


def ratio(over: Sequence[float], under: Sequence[float]) -> dict[str, float]:
    """Median, lowest and highest of the quotients of times that were taken in turn."""
    quotients = [one / other for one, other in zip(over, under, strict=True)]
    return {
        "ratio": round(statistics.median(quotients), 4),
        "ratio_lowest": round(min(quotients), 4),
        "ratio_highest": round(max(quotients), 4),
    }
