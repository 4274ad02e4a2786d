"""What a command says, and to whom.

| | plain lines (stdout) | progress (stderr) | errors and warnings (stderr) | result (stdout) |
|---|---|---|---|---|
| default, terminal | yes | a bar | yes | |
| default, no terminal | yes | | yes | |
| `--quiet` | | | errors | |
| `--json` | | | yes | one JSON object at the end |
| `--verbose` | and details | as above | yes | |

`--json` keeps stdout a single JSON document, so that a program may read it.
"""

import argparse
import contextlib
import json
import sys
import warnings
from collections.abc import Callable, Iterator

from ksdiff_jax.errors import Notice

PROGRAM = "ksdiff-jax"


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """The options `--quiet`, `--verbose` and `--json`, the same for every command that has them."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--quiet", action="store_true", help="say nothing but errors")
    group.add_argument("--verbose", action="store_true", help="say more: device, options, times of each stage")
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output instead of text")


def add_overwrite_argument(parser: argparse.ArgumentParser) -> None:
    """The option `--overwrite`, the same for every command that writes."""
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace files of the results' names that ksdiff-jax did not write; never an input",
    )


class Console:
    """Where a command's words go, by its options."""

    def __init__(self, command: str, *, quiet: bool = False, verbose: bool = False, as_json: bool = False):
        self.command = command
        self.quiet = quiet
        self.verbose = verbose
        self.as_json = as_json

    def say(self, line: str = "") -> None:
        """A line for a person."""
        if not (self.quiet or self.as_json):
            print(line, flush=True)

    def detail(self, line: str) -> None:
        """A line for a person who asked for more."""
        if self.verbose:
            self.say(line)

    def warn(self, message: str) -> None:
        """One line on standard error; work goes on."""
        if not self.quiet:
            print(f"{PROGRAM} {self.command}: warning: {' '.join(message.split())}", file=sys.stderr, flush=True)

    def fail(self, message: str) -> None:
        """One line on standard error about work that was not done."""
        print(f"{PROGRAM} {self.command}: {' '.join(message.split())}", file=sys.stderr, flush=True)

    def result(self, value: dict) -> None:
        """The JSON document, where one was asked for."""
        if self.as_json:
            print(json.dumps(value, indent=2, ensure_ascii=False), flush=True)

    @contextlib.contextmanager
    def progress(self, label: str, *, unit: str) -> Iterator[Callable[[int, int], None]]:
        """Yield `update(done, total)`: a bar on a terminal, nothing elsewhere."""
        if self.quiet or not sys.stderr.isatty():
            yield lambda done, total: None
            return
        from tqdm import tqdm

        bar = tqdm(desc=label, unit=f" {unit}", leave=False, dynamic_ncols=True)

        def update(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        try:
            yield update
        finally:
            bar.close()

    @contextlib.contextmanager
    def without_library_warnings(self) -> Iterator[None]:
        """Show every `Notice`, and the warnings of libraries with `--verbose` only."""
        with warnings.catch_warnings():
            warnings.simplefilter("default" if self.verbose else "ignore")
            warnings.simplefilter("always", Notice)
            yield


@contextlib.contextmanager
def notices_as_lines(console: Console) -> Iterator[None]:
    """Show a `Notice` as a line of the command; other warnings stay as they are."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_line(message: Warning, *where: object, **options: object) -> None:
            if isinstance(message, Notice):
                console.warn(str(message))
            else:
                show(message, *where, **options)

        warnings.showwarning = show_line
        yield
