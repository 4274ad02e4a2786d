"""Carry out a pickle's instructions on stand-ins, so that nothing it asks for ever runs.

A pickle is a program for a small stack machine. Most instructions push numbers, text and
containers; a few name a class or function and call it, which is how a pickle runs code. This
machine imports nothing and calls nothing of the pickle's choice: a name is looked up in a table of
`Known` names, and calling one calls our stand-in for it. Every other name is refused, as are
persistent ids without a reader for them, registered extensions and buffers outside the stream. All
protocols are read (0 to 5, of Python 2 and 3); Python 2's strings become text as Latin-1, byte for
byte.

The stack is ours, so nesting is bounded by the file and not by the interpreter. Keys are numbers,
text, or flat tuples of them: the hash of a nested tuple takes time that is exponential in its
depth.
"""

import pickle
import struct
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ksdiff_jax.errors import InputError

MAX_INSTRUCTIONS = 30_000_000
MAX_OBJECTS = 5_000_000  # containers, marks and calls
# values that wait to be put into something; a tuple's items do so all at once
_MAX_STACK = 2_000_000
_MAX_MARKS = 10_000
_SET_COST = 4  # an empty set takes as much memory as four lists
_MAX_KEY_ITEMS = 16
_KEY_TYPES = (str, bytes, int, float, complex, bool, type(None), np.generic)


class Known(NamedTuple):
    """A name that a pickle may mention; `make` stands for calling it, None where it is only
    mentioned.
    """

    title: str
    make: Callable[..., Any] | None = None


class Held:
    """Stands in for an object: keeps its state, does nothing."""

    def __init__(self, title: str, *arguments: Any) -> None:
        self.title, self.arguments = title, arguments
        self.state: dict = {}
        self.entries: dict = {}

    def set_state(self, state: Any) -> None:
        """What the pickle gives as the object's state: attributes, or a pair of those and the
        slots.
        """
        parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
        for part in parts:
            if isinstance(part, dict):
                self.state |= part


class Unpickled(NamedTuple):
    """The value of a pickle and where the next byte after it lies."""

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
    for what is none.

    `find(module, name)` gives the stand-in for a name, or raises; `persistent` that for a
    persistent id.
    """
    machine = _Machine(data, find, persistent, start)
    try:
        return Unpickled(machine.run(), machine.at)
    except InputError:
        raise
    except IndexError as error:
        raise InputError(
            f"not a readable pickle: byte {machine.at - 1} takes a value where there is none"
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"not a readable pickle ({type(error).__name__}: {reason})") from error


def checked_key(value: Any) -> Hashable:
    """A value that may be a dictionary's key or a set's member; `InputError` for others."""
    flat = value if isinstance(value, tuple) else (value,)
    if len(flat) > _MAX_KEY_ITEMS or not all(isinstance(item, _KEY_TYPES) for item in flat):
        raise InputError(f"a key of type {type(value).__name__}; keys are numbers or text")
    return value


class _Machine:
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

    def run(self) -> Any:
        for count in range(MAX_INSTRUCTIONS):
            if not count & 0xFFFF and self.below + len(self.stack) > _MAX_STACK:
                raise InputError(f"a pickle that keeps more than {_MAX_STACK} values on its stack")
            code = self.take(1)[0]
            if code == 0x2E:
                return self.stack.pop()
            instruction = _INSTRUCTIONS.get(code)
            if instruction is None:
                raise InputError(
                    f"not a pickle: byte {self.at - 1} is {code:#04x}, which is no instruction"
                )
            instruction(self)
        raise InputError(f"a pickle of more than {MAX_INSTRUCTIONS} instructions")

    def take(self, count: int) -> bytes:
        start = self.at
        self.at = start + count
        if count < 0 or self.at > self.end:
            raise InputError(
                f"ends early: byte {start} of {self.end} begins a value of {count} bytes"
            )
        return self.data[start : self.at]

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> bytes:
        found = self.data.find(b"\n", self.at)
        if found < 0:
            raise InputError(
                f"ends early: byte {self.at} of {self.end} begins a line without an end"
            )
        text, self.at = self.data[self.at : found], found + 1
        return text

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def push_object(self, value: Any) -> None:
        self.objects += _SET_COST if type(value) is set else 1
        if self.objects > MAX_OBJECTS:
            raise InputError(f"a pickle of more than {MAX_OBJECTS} objects")
        self.stack.append(value)

    def mark(self) -> None:
        self.push_object(None)
        self.stack.pop()
        if len(self.marks) == _MAX_MARKS:
            raise InputError(f"a pickle of more than {_MAX_MARKS} marks inside each other")
        self.marks.append(self.stack)
        self.below += len(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        self.below -= len(self.stack)
        return items

    def push_tuple(self, count: int) -> None:
        items = tuple(self.stack[-count:])
        if len(items) < count:
            raise InputError("a tuple of more than there is")
        del self.stack[-count:]
        self.push_object(items)

    def call(self, function: Any, arguments: Any, keywords: Any = None) -> None:
        if not isinstance(function, Known) or function.make is None:
            title = (
                function.title if isinstance(function, Known) else f"a {type(function).__name__}"
            )
            raise InputError(f"calls {title}; nothing of it was run")
        if not isinstance(arguments, tuple) or keywords:
            raise InputError(f"calls {function.title} with what it does not take")
        self.push_object(function.make(*arguments))

    def build(self) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if isinstance(made, Held):
            made.set_state(state)
        elif type(made) not in (dict, list, set):
            # the attributes of a subclass of these do not matter
            raise InputError(f"gives a state to a {type(made).__name__}")

    def extend(self, items: list[Any]) -> None:
        made = self.stack[-1]
        if type(made) is list:
            made.extend(items)
        elif type(made) is set:
            made.update(map(checked_key, items))
        else:
            raise InputError(f"adds items to a {type(made).__name__}")

    def update(self, items: list[Any]) -> None:
        made = self.stack[-1]
        entries = made.entries if isinstance(made, Held) else made
        if type(entries) is not dict or len(items) % 2:
            raise InputError(f"sets keys of a {type(made).__name__}")
        _fill(entries, items)

    def remember(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise InputError(f"recalls value {index}, which it never stored")
        self.push(self.memo[index])

    def name(self, module: Any, name: Any) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise InputError("a name that is not text")
        self.push(self.find(module, name))

    def refer(self, identity: Any) -> None:
        if self.persistent is None:
            raise InputError(
                "refers to data outside the pickle (a persistent id); nothing of it was run"
            )
        self.push_object(self.persistent(identity))


def _fill(entries: dict, items: list[Any]) -> dict:
    for key, value in zip(items[::2], items[1::2], strict=True):
        entries[checked_key(key)] = value
    return entries


def _refusing(reason: str) -> Callable[[_Machine], None]:
    def refuse(_machine: _Machine) -> None:
        raise InputError(f"{reason}; nothing of it was run")

    return refuse


def _new(machine: _Machine) -> None:
    arguments = machine.stack.pop()
    machine.call(machine.stack.pop(), arguments)


def _new_with_keywords(machine: _Machine) -> None:
    keywords, arguments = machine.stack.pop(), machine.stack.pop()
    machine.call(machine.stack.pop(), arguments, keywords)


def _object(machine: _Machine) -> None:
    kind, *arguments = machine.since_mark()
    machine.call(kind, tuple(arguments))


def _instance(machine: _Machine) -> None:
    machine.name(_text(machine.line()), _text(machine.line()))
    kind = machine.stack.pop()
    machine.call(kind, tuple(machine.since_mark()))


def _named_on_stack(machine: _Machine) -> None:
    name = machine.stack.pop()
    machine.name(machine.stack.pop(), name)


def _pop(machine: _Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.since_mark()


def _protocol(machine: _Machine) -> None:
    if (protocol := machine.take(1)[0]) > pickle.HIGHEST_PROTOCOL:
        raise InputError(
            f"a pickle of protocol {protocol}; {pickle.HIGHEST_PROTOCOL} is the highest that is "
            "known"
        )


def _whole_number(machine: _Machine) -> None:
    line = machine.line()
    machine.push(line == b"01" if line in (b"00", b"01") else int(line))


def _setitem(machine: _Machine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    machine.update([key, value])


def _quoted(line: bytes) -> str:
    """Python 2's repr of a string, without its quotes."""
    line = line.strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise InputError("a string without quotes")
    # What is escaped is ASCII or a byte as \xNN; a byte beyond ASCII stands for itself.
    inner = line[1:-1].decode("latin-1")
    return (
        inner.encode("latin-1", "backslashreplace").decode("unicode_escape")
        if "\\" in inner
        else inner
    )


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _latin(data: bytes) -> str:
    return data.decode("latin-1")


def _integer(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _constant(value: Any) -> Callable[[_Machine], None]:
    return lambda machine: machine.push(value)


def _sized(form: str, decode: Callable[[bytes], Any]) -> Callable[[_Machine], None]:
    return lambda machine: machine.push(decode(machine.take(machine.number(form))))


_INSTRUCTIONS: Mapping[int, Callable[[_Machine], None]] = {
    ord(code): action
    for code, action in {
        # constants and numbers
        "N": _constant(None),
        "\x88": _constant(True),
        "\x89": _constant(False),
        ")": _constant(()),
        "I": _whole_number,
        "L": lambda m: m.push(int(m.line().rstrip(b"L"))),
        "F": lambda m: m.push(float(m.line())),
        "G": lambda m: m.push(m.number(">d")),
        "J": lambda m: m.push(m.number("<i")),
        "K": lambda m: m.push(m.number("<B")),
        "M": lambda m: m.push(m.number("<H")),
        "\x8a": _sized("<B", _integer),
        "\x8b": _sized("<i", _integer),
        # bytes and text
        "B": _sized("<I", bytes),
        "C": _sized("<B", bytes),
        "\x8e": _sized("<Q", bytes),
        "\x96": _sized("<Q", bytes),
        "T": _sized("<i", _latin),
        "U": _sized("<B", _latin),
        "S": lambda m: m.push(_quoted(m.line())),
        "V": lambda m: m.push(m.line().decode("raw-unicode-escape")),
        "X": _sized("<I", _text),
        "\x8c": _sized("<B", _text),
        "\x8d": _sized("<Q", _text),
        # containers
        "(": _Machine.mark,
        "]": lambda m: m.push_object([]),
        "}": lambda m: m.push_object({}),
        "\x8f": lambda m: m.push_object(set()),
        "l": lambda m: m.push_object(m.since_mark()),
        "t": lambda m: m.push_object(tuple(m.since_mark())),
        "d": lambda m: m.push_object(_fill({}, m.since_mark())),
        "\x91": lambda m: m.push_object(set(map(checked_key, m.since_mark()))),
        "\x85": lambda m: m.push_tuple(1),
        "\x86": lambda m: m.push_tuple(2),
        "\x87": lambda m: m.push_tuple(3),
        "a": lambda m: m.extend([m.stack.pop()]),
        "e": lambda m: m.extend(m.since_mark()),
        "\x90": lambda m: m.extend(m.since_mark()),
        "s": _setitem,
        "u": lambda m: m.update(m.since_mark()),
        # stack and memo
        "0": _pop,
        "1": _Machine.since_mark,
        "2": lambda m: m.push(m.stack[-1]),
        "p": lambda m: m.remember(int(m.line())),
        "q": lambda m: m.remember(m.number("<B")),
        "r": lambda m: m.remember(m.number("<I")),
        "\x94": lambda m: m.remember(len(m.memo)),
        "g": lambda m: m.recall(int(m.line())),
        "h": lambda m: m.recall(m.number("<B")),
        "j": lambda m: m.recall(m.number("<I")),
        # the stream
        "\x80": _protocol,
        "\x95": lambda m: m.take(8),
        # names and calls
        "c": lambda m: m.name(_text(m.line()), _text(m.line())),
        "\x93": _named_on_stack,
        "R": _new,
        "\x81": _new,
        "\x92": _new_with_keywords,
        "o": _object,
        "i": _instance,
        "b": _Machine.build,
        "P": lambda m: m.refer(_text(m.line())),
        "Q": lambda m: m.refer(m.stack.pop()),
        **dict.fromkeys("\x82\x83\x84", _refusing("asks for a registered extension")),
        **dict.fromkeys(
            "\x97\x98", _refusing("keeps its arrays outside the file (buffers of protocol 5)")
        ),
    }.items()
}
