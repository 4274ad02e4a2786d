"""`ksdiff-jax COMMAND`: finds the command, turns the caller's mistakes into one line, everything else into a traceback.

Exit status: 0 done; 2 the caller's mistake, with one line on standard error; 1 our failure, with a traceback;
130 interrupted. A command is a module `ksdiff_jax.cli.<command>` with `SUMMARY` (one line), `add_arguments(parser)`
and `run(args) -> int`. Those modules import what is heavy inside `run`, so that `--help` answers at once. A command
that defines `DOTTED_OVERRIDES = True` also takes any config field by its dotted name (`--train.steps 2000`) and finds
them as a dict of strings in `args.overrides`. One that defines `PASSES_ON = True` finds what stands after `--`, the
options of another program, as a list in `args.passed_on`.
"""

import argparse
import difflib
import importlib
import os
import sys
from typing import NoReturn

from ksdiff_jax.cli.console import PROGRAM, Console, notices_as_lines
from ksdiff_jax.errors import InputError
from ksdiff_jax.heap import keep_freed_memory

COMMANDS = ("animate", "corpus", "prepare", "train", "evaluate", "convert", "inspect", "bench", "doctor")


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    if argv is None:  # a process of our own
        keep_freed_memory()
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _dispatch(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except InputError as error:
        command = argv[0] if argv and argv[0] in COMMANDS else ""
        return _mistake(f"{PROGRAM} {command}".strip(), str(error))
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _drop_output()  # the reader (head, less) has gone
        return 0
    except OSError as error:
        if not _output_fails():
            raise
        _drop_output()
        return _mistake(PROGRAM, f"standard output cannot be written ({error.strerror})")


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_overview(), end="")
        return 0
    if argv[0] == "--version":
        from ksdiff_jax import __version__

        print(f"{PROGRAM} {__version__}")
        return 0
    if argv[0] not in COMMANDS:
        kind = "option" if argv[0].startswith("-") else "command"
        raise InputError(f"unknown {kind} {argv[0]!r}{_nearest(argv[0], COMMANDS)} (see {PROGRAM} --help)")
    module = importlib.import_module(f"ksdiff_jax.cli.{argv[0]}")
    parser = CommandParser(
        prog=f"{PROGRAM} {argv[0]}",
        description=module.SUMMARY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    own, passed_on = argv[1:], []
    if getattr(module, "PASSES_ON", False) and "--" in own:
        own, passed_on = own[: own.index("--")], own[own.index("--") + 1 :]
    try:
        if getattr(module, "DOTTED_OVERRIDES", False):
            own, overrides = _overrides(own, parser)
            args = parser.parse_args(own)
            args.overrides = overrides
        else:
            args = parser.parse_args(own)
        args.passed_on = passed_on
    except SystemExit as leaving:  # --help has been printed, or `error` below has spoken
        return leaving.code or 0
    with notices_as_lines(Console(argv[0], quiet=getattr(args, "quiet", False))):
        return module.run(args) or 0


class CommandParser(argparse.ArgumentParser):
    """argparse with errors of one line that name the nearest option."""

    def error(self, message: str) -> NoReturn:
        options = sorted(self._option_string_actions)
        unknown = message.removeprefix("unrecognized arguments: ").split()
        if message.startswith("unrecognized arguments:"):
            name = unknown[0].split("=")[0]
            message = f"unknown option {name!r}" if name.startswith("-") else f"unexpected argument {name!r}"
            message += _nearest(name, options) if name.startswith("-") else ""
        raise SystemExit(_mistake(self.prog, f"{message} (see {self.prog} --help)"))


def _overrides(given: list[str], parser: CommandParser) -> tuple[list[str], dict[str, str]]:
    """The arguments without the `--a.b value` and `--a.b=value` pairs, and these."""
    rest, overrides, arguments = [], {}, iter(given)
    for argument in arguments:
        name, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or "." not in name:
            rest.append(argument)
            continue
        if not equals:
            value = next(arguments, None)
            if value is None:
                parser.error(f"argument --{name}: expected a value")
        overrides[name] = value
    return rest, overrides


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [
        f"{PROGRAM}: speech in, motion and a talking head out (KSDiff in JAX)",
        "",
        f"usage: {PROGRAM} COMMAND [options]      {PROGRAM} COMMAND --help shows a command's options",
        "",
        *(f"  {name:<{width}}  {importlib.import_module(f'ksdiff_jax.cli.{name}').SUMMARY}" for name in COMMANDS),
        "",
        f"start with: {PROGRAM} animate speech.wav --out out",
    ]
    return "\n".join(lines) + "\n"


def _nearest(name: str, known) -> str:
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {match[0]}?" if match else ""


def _mistake(program: str, message: str) -> int:
    print(f"{program}: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _output_fails() -> bool:
    """Whether standard output, and not a file, leads to a disk that is full or the like."""
    try:
        return os.write(sys.stdout.fileno(), b"\n") < 1
    except OSError:
        return True


def _drop_output() -> None:
    """Python would complain again when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
