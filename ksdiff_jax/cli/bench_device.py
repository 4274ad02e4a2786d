"""`ksdiff-jax bench device`: its options, the printed lines, and the output file (see
`ksdiff_jax.bench.device`).
"""

import argparse
import os

from ksdiff_jax import __version__
from ksdiff_jax.errors import InputError
from ksdiff_jax.plain_text import json_text

PURPOSE = "bench"
LIMIT_S = 900.0
NOTHING_MEASURED = 1
_AUTOTUNE = "--xla_gpu_autotune_level"


def add_device_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that only `bench device` has, and --only, which `bench all` has too."""
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        help="all, device: measure only these rows or figures, in their usual order; default all",
    )
    group = parser.add_argument_group("device")
    group.add_argument(
        "--list", action="store_true", help="print the names of the figures and exit"
    )
    group.add_argument(
        "--small", action="store_true", help="the smallest sizes: for a CPU, and for tests"
    )
    group.add_argument(
        "--out",
        metavar="FILE",
        help="when all lines are printed, also write them to FILE (JSON Lines)",
    )
    group.add_argument(
        "--autotune",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="let XLA autotune GPU kernels, or not: compilation is then faster, convolutions are "
        "not; default: as XLA does, it autotunes",
    )
    group.add_argument(
        "--overwrite",
        action="store_true",
        help="let --out replace a file that ksdiff-jax did not write",
    )
    group.add_argument(
        "--time-limit",
        type=float,
        default=LIMIT_S,
        metavar="S",
        help=f"start no figure after this many seconds; default {LIMIT_S:g}",
    )


def refuse_device_options(args: argparse.Namespace) -> None:
    """Raise `InputError` if an option of `bench device` is given with another benchmark; `bench
    all` has --only too.
    """
    given = {
        "--only": args.only is not None and args.what != "all",
        "--list": args.list,
        "--small": args.small,
        "--out": args.out is not None,
        "--autotune": args.autotune is True,
        "--no-autotune": args.autotune is False,
        "--overwrite": args.overwrite,
        "--time-limit": args.time_limit != LIMIT_S,
    }
    if names := [name for name, is_given in given.items() if is_given]:
        owners = "bench all and bench device" if names[0] == "--only" else "bench device"
        raise InputError(
            f"{names[0]} is an option of {owners}, not of bench {args.what}; leave it out"
        )


def run_device(args: argparse.Namespace) -> int:
    """Print one line per figure; return status 1 if nothing could be measured."""
    if args.autotune is False and _AUTOTUNE not in (flags := os.environ.get("XLA_FLAGS", "")):
        # read when JAX first looks for devices
        os.environ["XLA_FLAGS"] = f"{flags} {_AUTOTUNE}=0".strip()
    import jax

    from ksdiff_jax.bench.device import FIGURES, is_over_the_limit, measure
    from ksdiff_jax.bench.line import has_numbers
    from ksdiff_jax.bench.workload import full_size, small_size
    from ksdiff_jax.cli.device import use_device

    if args.list:
        width = max(map(len, FIGURES))
        print("\n".join(f"{name:<{width}}  {figure.about}" for name, figure in FIGURES.items()))
        return 0
    if unknown := [name for name in args.only or () if name not in FIGURES]:
        raise InputError(f"--only {unknown[0]}: no such figure; there are {', '.join(FIGURES)}")
    if not args.time_limit > 0:
        raise InputError(f"--time-limit {args.time_limit:g}: need more than 0 seconds")
    if args.out is not None:
        from ksdiff_jax.outputs import check_output

        check_output(args.out, PURPOSE, overwrite=args.overwrite)
    use_device(args.device, cpu_too=True)
    if jax.default_backend() == "cpu" and not args.small:
        raise InputError(
            "bench device: JAX finds only a CPU, but the full size needs an accelerator; add "
            "--small (see ksdiff-jax doctor)"
        )
    size = small_size() if args.small else full_size()
    names = [name for name in FIGURES if not args.only or name in args.only]
    lines: list[dict] = []
    complete = False
    try:
        for line in measure(size, names=names, repeats=args.repeats, limit_s=args.time_limit):
            lines.append(line)
            print(json_text(line), flush=True)
        complete = not any(is_over_the_limit(line) for line in lines)
    finally:  # also after an interruption
        if args.out is not None and lines:
            _write(args, lines, complete=complete)
    return 0 if has_numbers(lines) else NOTHING_MEASURED


def _write(args: argparse.Namespace, lines: list[dict], *, complete: bool) -> None:
    from ksdiff_jax.outputs import writing

    header = {
        "schema": f"ksdiff-{PURPOSE}/1",
        "ksdiff_jax": __version__,
        "complete": complete,  # False: the run was interrupted, or reached its time limit
        "small": args.small,
        "repeats": args.repeats,
    }
    with writing(args.out, PURPOSE, overwrite=args.overwrite) as temporary:
        temporary.write_text(
            "".join(f"{json_text(line)}\n" for line in (header, *lines)), encoding="utf-8"
        )
