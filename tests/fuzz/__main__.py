"""`python -m tests.fuzz`: run cases of every kind in turn, print a table and what is wrong."""

import argparse
import importlib
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from tests.fuzz.forked import verdict

KINDS = ("wave_headers", "containers", "videos", "sidecars", "weights")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--json", action="store_true", help="a summary for another program")
    args = parser.parse_args()
    makers = {kind: importlib.import_module(f"tests.fuzz.{kind}").make for kind in args.kinds}
    table: dict[str, Counter] = {kind: Counter() for kind in args.kinds}
    wrong = []
    with tempfile.TemporaryDirectory(prefix="ksdiff-fuzz.") as name:
        for number in range(args.first, args.first + args.count):
            kind = args.kinds[number % len(args.kinds)]
            rng = np.random.default_rng([args.seed, KINDS.index(kind), number])
            case = makers[kind](rng, Path(name))
            found = verdict(case)
            table[kind].update(
                cases=1,
                known=int(case.known),
                wrong=int(bool(found.wrong)),
                refused=int(found.refused),
            )
            table[kind]["slowest_s"] = max(table[kind]["slowest_s"], round(found.seconds, 1))
            table[kind]["most_mb"] = max(table[kind]["most_mb"], found.memory_kb >> 10)
            if found.wrong:
                repeat = f"--kinds {kind} --seed {args.seed} --first {number} --count 1"
                wrong.append({"case": case.name, "wrong": found.wrong, "repeat": repeat})
    if args.json:
        print(json.dumps({"table": table, "wrong": wrong}))
        return 0
    for item in wrong:
        print(f"WRONG {item['case']}\n  {item['wrong']}\n  python -m tests.fuzz {item['repeat']}")
    for kind, row in table.items():
        print(f"{kind:<14}" + "  ".join(f"{name} {row[name]}" for name in
              ("cases", "known", "refused", "wrong", "slowest_s", "most_mb")))  # fmt: skip
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
