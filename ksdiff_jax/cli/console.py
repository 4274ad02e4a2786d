"""What a command says, and to whom.

| | plain lines (stdout) | progress (stderr) | errors and warnings (stderr) | result (stdout) |
|---|---|---|---|---|
| default, terminal | yes | a bar | yes | |
| default, no terminal | yes | | yes | |
| `--quiet` | | | errors | |
| `--json` | | | yes | one JSON object at the end |
| `--verbose` | and details | as above | yes | |

`--json` keeps stdout a single JSON document, so that a program may read it. Names are shown and
stored as plain_text.py states: bytes that are no UTF-8 as `\\xe9` on a terminal, and losslessly in
JSON.

Libraries write nothing: their warnings, log lines and FFmpeg's come with `--verbose` only. A
`Notice` is a line of the command's own, each text once.
"""

import argparse
import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator

from ksdiff_jax.cli.streams import put, put_error, takes_unicode
from ksdiff_jax.errors import Notice
from ksdiff_jax.plain_text import json_text, one_line, printable

PROGRAM = "ksdiff-jax"


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """The options `--quiet`, `--verbose` and `--json`, the same for every command that has them."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--quiet", action="store_true", help="say nothing but errors")
    group.add_argument(
        "--verbose", action="store_true", help="say more: device, options, times of each stage"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object on standard output instead of text",
    )


def add_overwrite_argument(parser: argparse.ArgumentParser) -> None:
    """The option `--overwrite`, the same for every command that writes."""
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace files of the results' names that ksdiff-jax did not write; never an input",
    )


class Console:
    """Where a command's words go, by its options."""

    def __init__(
        self, command: str, *, quiet: bool = False, verbose: bool = False, as_json: bool = False
    ):
        self.command = command
        self.quiet = quiet
        self.verbose = verbose
        self.as_json = as_json

    def say(self, line: str = "") -> None:
        """A line for a person."""
        if not (self.quiet or self.as_json):
            put(printable(line))

    def detail(self, line: str) -> None:
        """A line for a person who asked for more."""
        if self.verbose:
            self.say(line)

    def warn(self, message: str) -> None:
        """One line on standard error; work goes on."""
        if not self.quiet:
            put_error(f"{PROGRAM} {self.command}: warning: {one_line(message)}")

    def fail(self, message: str) -> None:
        """One line on standard error about work that was not done."""
        put_error(f"{PROGRAM} {self.command}: {one_line(message)}")

    def result(self, value: dict) -> None:
        """The JSON document, where one was asked for."""
        if self.as_json:
            put(json_text(value, indent=2, ascii_only=not takes_unicode(sys.stdout)))

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
    """Show each `Notice` as a line of the command, once; other warnings as they are."""
    shown: set[str] = set()
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_line(message: Warning, *where: object, **options: object) -> None:
            if not isinstance(message, Notice):
                show(message, *where, **options)
            elif str(message) not in shown:
                shown.add(str(message))
                console.warn(str(message))

        warnings.showwarning = show_line
        yield


@contextlib.contextmanager
def without_library_logs(console: Console) -> Iterator[None]:
    """Keep the log lines of libraries from standard error, those of XLA's C++ too, but for
    `--verbose`.

    What goes wrong is raised as well; a log line would be said twice, and out of the command's own
    words.
    """
    if console.verbose:
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if console.quiet or not (sys.stderr and sys.stderr.isatty()):  # as for our own bars
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # Python prints what no handler takes; absl adds its own handler where it finds none.
    nowhere = logging.NullHandler()
    logging.getLogger().addHandler(nowhere)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(nowhere)
