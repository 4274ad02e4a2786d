"""The output of a command and the stream that each part goes to.

| | plain lines (stdout) | progress (stderr) | errors and warnings (stderr) | result (stdout) |
|---|---|---|---|---|
| default, terminal | yes | a bar | yes | |
| default, no terminal | yes | | yes | |
| `--quiet` | | | errors | |
| `--json` | | | yes | one JSON object at the end |
| `--verbose` | and details | as above | yes | |

With `--json`, stdout is a single JSON document, so that a program can parse it. Names are shown and
stored as described in plain_text.py: bytes that are not UTF-8 appear as `\\xe9` on a terminal and
are lossless in JSON.

Libraries print nothing: their warnings and log lines, including FFmpeg's, appear with `--verbose`
only. A `Notice` is a line of the command itself; each text is printed once.
"""

import argparse
import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator

from ksdiff_jax.cli.streams import put, put_error, supports_unicode
from ksdiff_jax.errors import Notice
from ksdiff_jax.plain_text import json_text, one_line, printable

PROGRAM = "ksdiff-jax"


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options `--quiet`, `--verbose` and `--json`, the same for every command that has
    them.
    """
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--quiet", action="store_true", help="print only errors")
    group.add_argument(
        "--verbose", action="store_true", help="print more: device, options, times of each stage"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object on standard output instead of text",
    )


def add_overwrite_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option `--overwrite`, the same for every command that writes files."""
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace files with the results' names that ksdiff-jax did not write; never an input",
    )


class Console:
    """Prints a command's output to the streams that its options select."""

    def __init__(
        self, command: str, *, quiet: bool = False, verbose: bool = False, as_json: bool = False
    ):
        self.command = command
        self.quiet = quiet
        self.verbose = verbose
        self.as_json = as_json

    def say(self, line: str = "") -> None:
        """Print a line for the user."""
        if not (self.quiet or self.as_json):
            put(printable(line))

    def detail(self, line: str) -> None:
        """Print a line with `--verbose` only."""
        if self.verbose:
            self.say(line)

    def warn(self, message: str) -> None:
        """Print one line on standard error; the command continues."""
        if not self.quiet:
            put_error(f"{PROGRAM} {self.command}: warning: {one_line(message)}")

    def fail(self, message: str) -> None:
        """Print one line on standard error about work that was not done."""
        put_error(f"{PROGRAM} {self.command}: {one_line(message)}")

    def result(self, value: dict) -> None:
        """Print the JSON document if `--json` is given."""
        if self.as_json:
            put(json_text(value, indent=2, ascii_only=not supports_unicode(sys.stdout)))

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
        """Print every `Notice`; print the warnings of libraries with `--verbose` only."""
        with warnings.catch_warnings():
            warnings.simplefilter("default" if self.verbose else "ignore")
            warnings.simplefilter("always", Notice)
            yield


@contextlib.contextmanager
def notices_as_lines(console: Console) -> Iterator[None]:
    """Print each `Notice` once as a line of the command; leave other warnings unchanged."""
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
    """Suppress the log lines of libraries on standard error, including XLA's C++ log, unless
    `--verbose` is given.

    An error is also raised as an exception; its log line would repeat it in other words.
    """
    if console.verbose:
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if console.quiet or not (sys.stderr and sys.stderr.isatty()):  # as for our own bars
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # Python prints records that no handler takes; absl adds a handler of its own if it finds none.
    nowhere = logging.NullHandler()
    logging.getLogger().addHandler(nowhere)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(nowhere)
