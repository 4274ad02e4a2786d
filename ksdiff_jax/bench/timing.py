"""Compilation and timing: programs are compiled concurrently and timed alternately.

Times of different programs are interleaved, so that other load on the machine affects all of them.
A timed run queues its calls and waits for the device once, at its end.
"""

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import jax


class Program(NamedTuple):
    """A compiled function, and the seconds of tracing and compilation; others may have been
    compiled concurrently.
    """

    call: Callable[..., Any]
    trace_s: float
    compile_s: float

    def costs(self) -> dict[str, float]:
        """The seconds, rounded."""
        return {"trace_s": round(self.trace_s, 2), "compile_s": round(self.compile_s, 2)}


class Programs:
    """Programs by name.

    A program that cannot be compiled raises its error only when it is requested.
    """

    def __init__(self, lower: Mapping[str, Callable[[], Any]]):
        """Trace each program in sequence and compile all of them concurrently; return when all are
        done.

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
    """Return the seconds until the result of `work()` is computed."""
    started = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - started


def in_turn(works: Mapping[str, Callable[[], Any]], *, repeats: int) -> dict[str, list[float]]:
    """Return the seconds of every work by its name, `repeats` times, interleaved."""
    rounds = [{name: seconds(work) for name, work in works.items()} for _ in range(repeats)]
    return {name: [times[name] for times in rounds] for name in works}


def spread(times_s: Sequence[float], *, calls: int = 1, name: str = "ms") -> dict[str, float]:
    """Return median, fastest and slowest of the times of one of `calls` calls, in milliseconds."""
    each = [1000 * time_s / calls for time_s in times_s]
    return {
        name: round(statistics.median(each), 4),
        f"{name}_fastest": round(min(each), 4),
        f"{name}_slowest": round(max(each), 4),
    }


def ratio(over: Sequence[float], under: Sequence[float]) -> dict[str, float]:
    """Return median, lowest and highest of the quotients of interleaved times."""
    quotients = [one / other for one, other in zip(over, under, strict=True)]
    return {
        "ratio": round(statistics.median(quotients), 4),
        "ratio_lowest": round(min(quotients), 4),
        "ratio_highest": round(max(quotients), 4),
    }
