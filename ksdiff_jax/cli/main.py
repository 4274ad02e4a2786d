"""`ksdiff-jax COMMAND`: runs the command and reports a mistake by the caller in one line, any other
error with a traceback.

Exit status: 0 done; 2 the caller's mistake, with one line on standard error; 1 an internal failure,
with a traceback; 130 interrupted, 143 terminated. A command is a module `ksdiff_jax.cli.<command>`,
with _ for -, that has `SUMMARY` (one line), `add_arguments(parser)` and `run(args) -> int`. Those
modules import heavy packages inside `run`, so that `--help` is fast. A command that defines
`DOTTED_OVERRIDES = True` also accepts any configuration field by its dotted name (`--train.steps
2000`); `args.overrides` is a dict of these strings. For a command that defines `PASSES_ON = True`,
`args.passed_on` is the list of arguments after `--`, which are options of another program.
"""

import argparse
import difflib
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from ksdiff_jax.cli.console import PROGRAM, Console, notices_as_lines, without_library_logs
from ksdiff_jax.cli.interrupts import Interrupts, leave
from ksdiff_jax.cli.streams import discard, flush_errors, is_broken, put_error, repair_streams
from ksdiff_jax.errors import InputError, paths_as_input
from ksdiff_jax.files import set_home
from ksdiff_jax.heap import keep_freed_memory
from ksdiff_jax.plain_text import one_line

COMMANDS = (
    "animate",
    "export",
    "render",
    "export-model",
    "send",
    "audio2face",
    "corpus",
    "prepare",
    "regions",
    "train",
    "evaluate",
    "ablate",
    "rate",
    "convert",
    "inspect",
    "push",
    "bench",
    "doctor",
)


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    interrupts, is_program = Interrupts(), argv is None
    if is_program:
        repair_streams()
        set_home()
        keep_freed_memory()
        interrupts.install()
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _dispatch(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except BaseException as error:
        if not interrupts.ends(error):
            return _failed(error, argv)
        if interrupts.status == 128 + signal.SIGINT:
            put_error(f"{PROGRAM}: interrupted")
        if is_program:
            leave(interrupts.status)
        return interrupts.status
    finally:
        flush_errors()


def _failed(error: BaseException, argv: list[str]) -> int:
    """Return the exit status of a mistake by the caller or of a broken standard output, of which
    one line is printed; raise any other error.
    """
    if isinstance(error, InputError):
        command = argv[0] if argv and argv[0] in COMMANDS else ""
        return _mistake(f"{PROGRAM} {command}".strip(), str(error))
    if not isinstance(error, OSError) or not is_broken(sys.stdout):
        raise error
    discard(sys.stdout)
    if isinstance(error, BrokenPipeError):  # the reader (head, less) has exited
        return 0
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
        raise InputError(
            f"unknown {kind} {argv[0]!r}{_nearest(argv[0], COMMANDS)} (see {PROGRAM} --help)"
        )
    module = _module(argv[0])
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
    except SystemExit as leaving:  # --help has been printed, or `error` below has printed its line
        return leaving.code or 0
    console = Console(
        argv[0], quiet=getattr(args, "quiet", False), verbose=getattr(args, "verbose", False)
    )
    with (
        without_library_logs(console),
        console.without_library_warnings(),
        notices_as_lines(console),
        paths_as_input(),
    ):
        return module.run(args) or 0


class CommandParser(argparse.ArgumentParser):
    """argparse with one-line errors that suggest the nearest option, and with `--own_option`
    accepted for `--own-option`.
    """

    fields: Sequence[str] = ()  # of the configuration, for a command with DOTTED_OVERRIDES
    _given: Sequence[str] = ()

    def parse_known_args(self, args=None, namespace=None):
        """Parse as argparse does, with hyphens for underscores in the names of options."""
        given = list(sys.argv[1:] if args is None else args)
        end = given.index("--") if "--" in given else len(given)
        self._given = [*map(self._spelled, given[:end]), *given[end:]]
        return super().parse_known_args(self._given, namespace)

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with status 2."""
        options = sorted((*self._option_string_actions, *(f"--{name}" for name in self.fields)))
        files = [
            given
            for given in self._given
            if given.startswith("-") and given != "--" and os.path.lexists(given)
        ]
        if files:
            message = f"{files[0]!r} is read as an option; name the file ./{files[0]}"
        elif message.startswith("unrecognized arguments:"):
            name = message.removeprefix("unrecognized arguments: ").split()[0].split("=")[0]
            message = (
                f"unknown option {name!r}"
                if name.startswith("-")
                else f"unexpected argument {name!r}"
            )
            message += _nearest(name, options) if name.startswith("-") else ""
        raise SystemExit(_mistake(self.prog, f"{message} (see {self.prog} --help)"))

    def _spelled(self, argument: str) -> str:
        name, equals, value = argument.partition("=")
        hyphened = name.replace("_", "-")
        known = self._option_string_actions
        return hyphened + equals + value if name not in known and hyphened in known else argument


def _overrides(given: list[str], parser: CommandParser) -> tuple[list[str], dict[str, str]]:
    """Return the arguments without the `--a.b value` and `--a.b=value` pairs, and these pairs;
    hyphens in names become underscores.
    """
    rest, overrides, arguments = [], {}, iter(given)
    for argument in arguments:
        name, equals, value = argument.removeprefix("--").partition("=")
        if argument == "--":
            rest += [argument, *arguments]
            break
        if not argument.startswith("--") or "." not in name:
            rest.append(argument)
            continue
        if not equals:
            value = next(arguments, "--")
            if value.startswith("--"):
                parser.error(f"argument --{name}: expected a value")
        overrides[name.replace("-", "_")] = value
    return rest, overrides


def _module(command: str) -> ModuleType:
    return importlib.import_module(f"ksdiff_jax.cli.{command.replace('-', '_')}")


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [
        f"{PROGRAM}: generates face motion and a talking head from speech (KSDiff in JAX)",
        "",
        f"usage: {PROGRAM} COMMAND [options]      {PROGRAM} COMMAND --help shows a command's "
        "options",
        "",
        *(f"  {name:<{width}}  {_module(name).SUMMARY}" for name in COMMANDS),
        "",
        f"start with: {PROGRAM} animate speech.wav --out out",
    ]
    return "\n".join(lines) + "\n"


def _nearest(name: str, known) -> str:
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {match[0]}?" if match else ""


def _mistake(program: str, message: str) -> int:
    put_error(f"{program}: {one_line(message)}")
    return 2


if __name__ == "__main__":
    sys.exit(main())
