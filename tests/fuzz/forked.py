"""One case in a forked child: what came of it, in what time, with how much memory."""

import os
import pickle
import resource
import select
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from typing import NamedTuple

from ksdiff_jax.data.prepare.source import Rejected
from ksdiff_jax.errors import InputError, Notice

LONGEST_S = 60.0
MOST_MEMORY_KB = 2 << 20


class Outcome(NamedTuple):
    """What the code under test did with an input."""

    value: object  # None where it was refused
    refusal: str  # the line; empty where there is a value
    notices: tuple[str, ...]


class Case(NamedTuple):
    """An input, what is to be done with it, and what is right."""

    name: str
    known: bool  # the right answer is known from how the input was made
    work: Callable[[], object]
    judge: Callable[[Outcome], str]  # what is wrong with an outcome; empty: nothing


class Verdict(NamedTuple):
    """What is wrong with a case, empty if nothing; `refused` where it was refused rightly."""

    wrong: str
    refused: bool
    seconds: float
    memory_kb: int


def verdict(case: Case) -> Verdict:
    """Run a case in a child of this process."""
    reading, writing = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            answer = _in_child(case)
        except BaseException:
            answer = ("crashed: " + traceback.format_exc(), False)
        memory_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump((*answer, memory_kb), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        ready, _, _ = select.select([pipe], [], [], LONGEST_S)
        content = pipe.read() if ready else b""
        if not ready:
            os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    seconds = time.monotonic() - started
    if not ready:
        return Verdict(f"hangs for {LONGEST_S:g} s", False, seconds, 0)
    if not content:
        return Verdict(
            f"the process died of signal {os.waitstatus_to_exitcode(status)}", False, seconds, 0
        )
    wrong, refused, memory_kb = pickle.loads(content)
    if not wrong and memory_kb > MOST_MEMORY_KB:
        wrong = f"took {memory_kb >> 10} MB"
    return Verdict(wrong, refused, seconds, memory_kb)


def _in_child(case: Case) -> tuple[str, bool]:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what C libraries print
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            outcome = Outcome(case.work(), "", ())
        except InputError as error:
            outcome = Outcome(None, str(error), ())
        except Rejected as error:
            outcome = Outcome(None, error.detail, ())
    told = tuple(str(item.message) for item in caught if issubclass(item.category, Notice))
    lines = [outcome.refusal, *told]
    if broken := [line for line in lines if len(line.splitlines()) > 1]:
        return f"not one line: {broken[0]!r}", False
    if len(set(told)) < len(told):
        return f"the same fact twice: {told}", False
    return case.judge(outcome._replace(notices=told)), bool(outcome.refusal)
