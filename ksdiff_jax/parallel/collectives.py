"""The communication between devices in a compiled program: counts collectives and their bytes from
its HLO text.

    collectives(compiled.as_text())
        ->  {"all-reduce": Traffic(count, payload_bytes, sent_bytes), ...}

For a collective on a payload of B bytes among n devices, each device sends this amount, under the
ring algorithms that the libraries use for large payloads:

| kind | B | sent by each device |
|---|---|---|
| all-reduce | the array | 2 (n - 1) / n · B |
| all-gather | the array gathered | (n - 1) / n · B |
| reduce-scatter | the array before scattering | (n - 1) / n · B |
| all-to-all | the array on one device | (n - 1) / n · B |
| collective-permute | the array | B |

The body of a loop counts once per iteration if the compiler knows the number of iterations, as it
does for `lax.scan`.
"""

import math
import re
from typing import NamedTuple

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")

_BITS = {"pred": 8, "bf16": 16, "f16": 16, "f32": 32, "f64": 64}
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_COLLECTIVE = re.compile(rf"= (.+?) ({'|'.join(KINDS)})(-start)?\(")
_ARRAY = re.compile(r"\b([a-z]+\d*(?:e\d\w*)?)\[([\d,]*)\]")
_CALLED = re.compile(r"(?:body|calls|to_apply|true_computation|false_computation)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


class Traffic(NamedTuple):
    """All collectives of one kind in one run of a program, as sent by one device."""

    count: int
    payload_bytes: int
    sent_bytes: int


def collectives(hlo: str) -> dict[str, Traffic]:
    """Return the kinds of collectives that occur in the text of a compiled program, each with its
    traffic.
    """
    found: dict[str, Traffic] = {}
    runs = _runs(hlo)
    for computation, line in _instructions(hlo):
        if not (match := _COLLECTIVE.search(line)):
            continue
        shape, kind, started = match.groups()
        times, devices = runs.get(computation, 0), _group_size(line)
        payload = _payload_bytes(shape, kind, started is not None, devices)
        old = found.get(kind, Traffic(0, 0, 0))
        sent = round(payload * _share_sent(kind, devices))
        found[kind] = Traffic(
            old.count + times, old.payload_bytes + times * payload, old.sent_bytes + times * sent
        )
    return found


def _instructions(hlo: str):
    """Yield (name of the computation, line) of every instruction."""
    computation = ""
    for line in hlo.splitlines():
        if match := _COMPUTATION.match(line):
            computation = match.group(2)
        elif " = " in line:
            yield computation, line


def _runs(hlo: str) -> dict[str, int]:
    """Return how often every computation runs when the program runs once."""
    entry = next(
        (m.group(2) for m in map(_COMPUTATION.match, hlo.splitlines()) if m and m.group(1)), ""
    )
    calls: dict[str, list[tuple[str, int]]] = {}
    for computation, line in _instructions(hlo):
        called = _CALLED.findall(line)
        for branches in _BRANCHES.findall(line):
            called += [name.strip().lstrip("%") for name in branches.split(",")]
        trips = _TRIPS.search(line)
        times = int(trips.group(1)) if trips else 1
        calls.setdefault(computation, []).extend((name, times) for name in called)
    runs: dict[str, int] = {}

    def visit(computation: str, times: int) -> None:
        runs[computation] = runs.get(computation, 0) + times
        for name, trips in calls.get(computation, []):
            visit(name, times * trips)

    visit(entry, 1)
    return runs


def _payload_bytes(shape: str, kind: str, started: bool, devices: int) -> int:
    sizes = [
        math.prod(int(size) for size in dims.split(",") if size) * _bits(name) // 8
        for name, dims in _ARRAY.findall(shape)
    ]
    if started and kind != "all-reduce":
        # The start of an asynchronous collective has its operands and its results in one tuple.
        sizes = sizes[len(sizes) // 2 :] if kind == "all-gather" else sizes[: len(sizes) // 2]
        return sum(sizes)
    return sum(sizes) * (devices if kind == "reduce-scatter" else 1)


def _bits(name: str) -> int:
    if name in _BITS:
        return _BITS[name]
    digits = re.search(r"\d+", name)
    return int(digits.group()) if digits else 0


def _group_size(line: str) -> int:
    """Return the number of devices in a group, for each of the three notations; 2 for a
    permutation.
    """
    if match := re.search(r"replica_groups=\[\d+,(\d+)\]", line):
        return int(match.group(1))
    if match := re.search(r"replica_groups=\{\{([\d,]*)\}", line):
        return len(match.group(1).split(","))
    if match := re.search(r"replica_groups=mesh\[([^\]]*)\].*?\{([^}]*)\}", line):
        sizes = dict(re.findall(r"'(\w+)'=(\d+)", match.group(1)))
        # A part of an axis is written 'axis':(before)size.
        used = re.findall(r"'(\w+)'(?::\(\d+\)(\d+))?", match.group(2))
        return math.prod(int(part or sizes[axis]) for axis, part in used)
    return 2


def _share_sent(kind: str, devices: int) -> float:
    if kind == "collective-permute":
        return 1.0
    return (2 if kind == "all-reduce" else 1) * (devices - 1) / devices
