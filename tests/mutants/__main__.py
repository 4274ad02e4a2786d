"""`python -m tests.mutants [NAME ...]`: changes a copy of the package, runs the tests that must
fail, prints a table.

The tests are first run on the unchanged copy and must pass there. Exit status: 0 every change made
a test fail; 1 one survived, or a row of the table no longer matches the code, or its tests could
not be run.
"""

import argparse
import os
import queue
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ksdiff_jax.files import cache_folder
from tests.mutants.change import Mutant, NotFound, mutated
from tests.mutants.table import MUTANTS
from tests.mutants.trial import PACKAGE, REPOSITORY, copied, tried, tried_with


def main() -> int:
    mutants, jobs = _chosen()
    misplaced = [line for mutant in mutants if (line := _misplaced(mutant))]
    print(*misplaced, sep="\n", end="\n" * bool(misplaced), file=sys.stderr)
    if misplaced:
        return 1
    cache = cache_folder() / "mutant-compilations"
    with tempfile.TemporaryDirectory(prefix="ksdiff-mutants.") as folder:
        copies = [copied(Path(folder) / str(number)) for number in range(jobs)]
        tests = sorted({test for mutant in mutants for test in mutant.tests})
        print(f"unchanged: {', '.join(tests)}", flush=True)
        control = tried(tests, copies[0], cache=cache)
        if control.status:
            print(
                f"{control.output}\nthe tests do not pass on the unchanged code: mend them first",
                file=sys.stderr,
            )
            return 1
        return _print_verdicts(mutants, copies, cache=cache)


def _chosen() -> tuple[list[Mutant], int]:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants", description=__doc__.splitlines()[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants to try (default: all)")
    parser.add_argument("--list", action="store_true", help="print the table and stop")
    parser.add_argument(
        "--jobs", type=int, default=min(2, os.cpu_count() or 1), help="how many at a time"
    )
    args = parser.parse_args()
    if unknown := sorted(set(args.names) - {mutant.name for mutant in MUTANTS}):
        parser.error(f"no mutant {unknown[0]!r}: --list prints their names")
    if args.jobs < 1:
        parser.error(f"--jobs {args.jobs}: need 1 or more")
    mutants = [mutant for mutant in MUTANTS if not args.names or mutant.name in args.names]
    if args.list:
        for mutant in mutants:
            changes = "; ".join(f"{old}  ->  {new}" for old, new in mutant.edits)
            print(f"{mutant.name}\n    {mutant.place}: {changes}\n    {', '.join(mutant.tests)}")
        sys.exit(0)
    return mutants, args.jobs


def _misplaced(mutant: Mutant) -> str:
    """Why the mutant cannot be applied, "" if it can."""
    try:
        mutated(mutant, REPOSITORY / PACKAGE)
    except NotFound as error:
        return str(error)
    return ""


def _print_verdicts(mutants: list[Mutant], copies: list[Path], *, cache: Path) -> int:
    """Try every mutant on whichever copy is free; returns the exit status."""
    free: queue.Queue[Path] = queue.Queue()
    for copy in copies:
        free.put(copy)

    def verdict(mutant: Mutant) -> tuple[bool, str, float]:
        copy, start = free.get(), time.monotonic()
        try:
            trial = tried_with(mutant, copy, cache=cache)
        finally:
            free.put(copy)
        caught = trial.status == 1 and bool(trial.failed)
        found = (
            trial.failed[0]
            if caught
            else "SURVIVED"
            if trial.status == 0
            else f"NOT RUN\n{trial.output}"
        )
        return caught, found, time.monotonic() - start

    caught = 0
    with ThreadPoolExecutor(len(copies)) as pool:
        for mutant, (noticed, found, seconds) in zip(
            mutants, pool.map(verdict, mutants), strict=True
        ):
            caught += noticed
            print(f"{mutant.name:<46} {seconds:4.0f} s  {found}", flush=True)
    print(f"{caught} of {len(mutants)} changes are noticed")
    return 0 if caught == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
