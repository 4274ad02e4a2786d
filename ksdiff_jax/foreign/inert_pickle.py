"""Read a pickle without running it: its instructions act on stand-ins.

A pickle is a program for a small stack machine (`pickle_machine.py`, `pickle_instructions.py`). It
runs code by naming a class or a function and calling it. Here a name is looked up in a table of
`Known` names, and calling one calls our stand-in (`stand_ins.py`). Every other name is refused, as
are persistent ids without a reader for them, registered extensions and buffers outside the stream.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.pickle_instructions import INSTRUCTIONS, STOP
from ksdiff_jax.foreign.pickle_machine import MAX_STACK, Machine
from ksdiff_jax.foreign.stand_ins import Known

MAX_INSTRUCTIONS = 30_000_000


class Unpickled(NamedTuple):
    """The value of a pickle, and the position of the first byte after it."""

    value: Any
    end: int


def unpickled(
    data: Any,
    *,
    find: Callable[[str, str], Known],
    persistent: Callable[[Any], Any] | None = None,
    start: int = 0,
) -> Unpickled:
    """The value of the pickle at `start` of a bytes-like `data`; raises `InputError` in one line
    where the bytes are no pickle, or one that is refused.

    `find(module, name)` returns the stand-in for a name, or raises; `persistent` returns the one
    for a persistent id.
    """
    machine = Machine(data, find, persistent, start)
    try:
        return Unpickled(_run(machine), machine.at)
    except InputError:
        raise
    except IndexError as error:
        raise InputError(
            f"not a readable pickle: byte {machine.at - 1} takes a value from an empty stack"
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"not a readable pickle ({type(error).__name__}: {reason})") from error


def _run(machine: Machine) -> Any:
    """Follow the instructions up to STOP; return the top of the stack."""
    for count in range(MAX_INSTRUCTIONS):
        # The size of the stack is checked at every 65,536th instruction.
        if not count & 0xFFFF and machine.below + len(machine.stack) > MAX_STACK:
            raise InputError(f"a pickle that keeps more than {MAX_STACK} values on its stack")
        code = machine.take(1)[0]
        if code == STOP:
            return machine.stack.pop()
        instruction = INSTRUCTIONS.get(code)
        if instruction is None:
            raise InputError(
                f"not a pickle: byte {machine.at - 1} is {code:#04x}, which is no instruction"
            )
        instruction(machine)
    raise InputError(f"a pickle of more than {MAX_INSTRUCTIONS} instructions")
