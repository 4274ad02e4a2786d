"""The stack machine that a pickle is a program for, with limits on what one pickle may take.

A pickle's instructions push numbers, text and containers on a stack; a few name a class or a
function and call it. This machine imports nothing and calls nothing of the pickle's choice. It
looks each name up with the `find` that it was given, and calls the stand-in that `find` returned
(`stand_ins.py`).

The stack is a Python list, so the nesting depth of a pickle does not count against the
interpreter's recursion limit. Instructions, objects, values on the stack and marks are bounded, so
a small hostile file cannot fill the memory.
"""

import struct
from collections.abc import Callable
from typing import Any

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.stand_ins import Held, Known, checked_key

MAX_OBJECTS = 5_000_000  # containers, marks and calls
MAX_STACK = 2_000_000  # values that no container holds yet; a tuple collects its items at once
MAX_MARKS = 10_000
SET_COST = 4  # an empty set takes as much memory as four lists


class Machine:
    """The state of one pickle that is being read, and the steps that instructions are made of.

    `find(module, name)` returns the stand-in for a name; `persistent` the one for a persistent id.
    Both raise `InputError` to refuse. `stack` holds the values since the innermost mark; `marks`
    holds the stacks below it.
    """

    def __init__(
        self,
        data: Any,
        find: Callable[[str, str], Known],
        persistent: Callable[[Any], Any] | None,
        start: int,
    ) -> None:
        self.data, self.at, self.end = data, start, len(data)
        self.find, self.persistent = find, persistent
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.objects = 0
        self.below = 0  # values under the marks

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        start = self.at
        self.at = start + count
        if count < 0 or self.at > self.end:
            raise InputError(
                f"ends early: byte {start} of {self.end} begins a value of {count} bytes"
            )
        return self.data[start : self.at]

    def number(self, form: str) -> Any:
        """The next number, in a `struct` format."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> bytes:
        """The bytes up to the next newline, without it."""
        found = self.data.find(b"\n", self.at)
        if found < 0:
            raise InputError(
                f"ends early: byte {self.at} of {self.end} begins a line without an end"
            )
        text, self.at = self.data[self.at : found], found + 1
        return text

    def push(self, value: Any) -> None:
        """Put a number or a text on the stack."""
        self.stack.append(value)

    def push_object(self, value: Any) -> None:
        """Put a container or the result of a call on the stack; it counts towards MAX_OBJECTS."""
        self.objects += SET_COST if type(value) is set else 1
        if self.objects > MAX_OBJECTS:
            raise InputError(f"a pickle of more than {MAX_OBJECTS} objects")
        self.stack.append(value)

    def mark(self) -> None:
        """Start a new stack above the current one."""
        self.push_object(None)
        self.stack.pop()
        if len(self.marks) == MAX_MARKS:
            raise InputError(f"a pickle of more than {MAX_MARKS} marks inside each other")
        self.marks.append(self.stack)
        self.below += len(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        """Remove the values since the last mark and return them."""
        items, self.stack = self.stack, self.marks.pop()
        self.below -= len(self.stack)
        return items

    def push_tuple(self, count: int) -> None:
        """Replace the last `count` values by a tuple of them."""
        items = tuple(self.stack[-count:])
        if len(items) < count:
            raise InputError("a tuple of more values than the stack holds")
        del self.stack[-count:]
        self.push_object(items)

    def call(self, function: Any, arguments: Any, keywords: Any = None) -> None:
        """Push what the stand-in for `function` makes of the arguments."""
        if not isinstance(function, Known) or function.make is None:
            title = (
                function.title if isinstance(function, Known) else f"a {type(function).__name__}"
            )
            raise InputError(f"calls {title}; nothing of it was run")
        if not isinstance(arguments, tuple) or keywords:
            raise InputError(f"calls {function.title} with arguments that it does not accept")
        self.push_object(function.make(*arguments))

    def build(self) -> None:
        """Give the last value but one the last value as its state."""
        state, made = self.stack.pop(), self.stack[-1]
        if isinstance(made, Held):
            made.set_state(state)
        elif type(made) not in (dict, list, set):
            # Attributes of a subclass of dict, list or set are ignored.
            raise InputError(f"gives a state to a {type(made).__name__}")

    def extend(self, items: list[Any]) -> None:
        """Add items to the list or set on top of the stack."""
        made = self.stack[-1]
        if type(made) is list:
            made.extend(items)
        elif type(made) is set:
            made.update(map(checked_key, items))
        else:
            raise InputError(f"adds items to a {type(made).__name__}")

    def update(self, items: list[Any]) -> None:
        """Add keys and values, in turn, to the dictionary on top of the stack."""
        made = self.stack[-1]
        entries = made.entries if isinstance(made, Held) else made
        if type(entries) is not dict or len(items) % 2:
            raise InputError(f"sets keys of a {type(made).__name__}")
        fill(entries, items)

    def remember(self, index: int) -> None:
        """Store the top of the stack in the memo."""
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        """Push a value of the memo."""
        if index not in self.memo:
            raise InputError(f"recalls value {index}, which it never stored")
        self.push(self.memo[index])

    def name(self, module: Any, name: Any) -> None:
        """Push the stand-in for a name."""
        if not (isinstance(module, str) and isinstance(name, str)):
            raise InputError("a name that is not text")
        self.push(self.find(module, name))

    def refer(self, identity: Any) -> None:
        """Push the stand-in for a persistent id."""
        if self.persistent is None:
            raise InputError(
                "refers to data outside the pickle (a persistent id); nothing of it was run"
            )
        self.push_object(self.persistent(identity))


def fill(entries: dict, items: list[Any]) -> dict:
    """Add keys and values, in turn, to a dictionary; return it."""
    for key, value in zip(items[::2], items[1::2], strict=True):
        entries[checked_key(key)] = value
    return entries
