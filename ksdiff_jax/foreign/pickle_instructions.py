"""The instructions of a pickle, of all protocols (0 to 5, of Python 2 and 3), as steps of a
`pickle_machine.Machine`.

Instructions that would reach outside the file are refused: registered extensions, and buffers that
are stored elsewhere (protocol 5). Strings of Python 2 become text as Latin-1, byte for byte.
"""

import pickle
from collections.abc import Callable, Mapping
from typing import Any

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.pickle_machine import Machine, fill
from ksdiff_jax.foreign.stand_ins import checked_key

STOP = ord(".")  # returns the top of the stack; the reader handles it


def _refusing(reason: str) -> Callable[[Machine], None]:
    def refuse(_machine: Machine) -> None:
        raise InputError(f"{reason}; nothing of it was run")

    return refuse


def _new(machine: Machine) -> None:
    arguments = machine.stack.pop()
    machine.call(machine.stack.pop(), arguments)


def _new_with_keywords(machine: Machine) -> None:
    keywords, arguments = machine.stack.pop(), machine.stack.pop()
    machine.call(machine.stack.pop(), arguments, keywords)


def _object(machine: Machine) -> None:
    kind, *arguments = machine.since_mark()
    machine.call(kind, tuple(arguments))


def _instance(machine: Machine) -> None:
    machine.name(_text(machine.line()), _text(machine.line()))
    kind = machine.stack.pop()
    machine.call(kind, tuple(machine.since_mark()))


def _named_on_stack(machine: Machine) -> None:
    name = machine.stack.pop()
    machine.name(machine.stack.pop(), name)


def _pop(machine: Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.since_mark()


def _protocol(machine: Machine) -> None:
    if (protocol := machine.take(1)[0]) > pickle.HIGHEST_PROTOCOL:
        raise InputError(
            f"a pickle of protocol {protocol}; {pickle.HIGHEST_PROTOCOL} is the highest that is "
            "known"
        )


def _whole_number(machine: Machine) -> None:
    line = machine.line()
    machine.push(line == b"01" if line in (b"00", b"01") else int(line))


def _setitem(machine: Machine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    machine.update([key, value])


def _quoted(line: bytes) -> str:
    """Python 2's repr of a string, without its quotes."""
    line = line.strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise InputError("a string without quotes")
    # Escapes are ASCII, or one byte as \xNN; bytes above 127 are not escaped.
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


def _constant(value: Any) -> Callable[[Machine], None]:
    return lambda machine: machine.push(value)


def _sized(form: str, decode: Callable[[bytes], Any]) -> Callable[[Machine], None]:
    return lambda machine: machine.push(decode(machine.take(machine.number(form))))


INSTRUCTIONS: Mapping[int, Callable[[Machine], None]] = {
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
        "(": Machine.mark,
        "]": lambda m: m.push_object([]),
        "}": lambda m: m.push_object({}),
        "\x8f": lambda m: m.push_object(set()),
        "l": lambda m: m.push_object(m.since_mark()),
        "t": lambda m: m.push_object(tuple(m.since_mark())),
        "d": lambda m: m.push_object(fill({}, m.since_mark())),
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
        "1": Machine.since_mark,
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
        "b": Machine.build,
        "P": lambda m: m.refer(_text(m.line())),
        "Q": lambda m: m.refer(m.stack.pop()),
        **dict.fromkeys("\x82\x83\x84", _refusing("asks for a registered extension")),
        **dict.fromkeys(
            "\x97\x98", _refusing("keeps its arrays outside the file (buffers of protocol 5)")
        ),
    }.items()
}
