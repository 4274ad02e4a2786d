"""Checks of `ksdiff-jax evaluate` before any work: options that exclude each other, and outputs."""

import argparse
from pathlib import Path

from ksdiff_jax.cli.evaluate_discriminate import FILE as DISCRIMINATION_FILE
from ksdiff_jax.cli.evaluate_discriminate import PURPOSE, check_discrimination
from ksdiff_jax.cli.evaluate_sampling import FILE as SAMPLING_FILE
from ksdiff_jax.cli.evaluate_sampling import check_table, is_table
from ksdiff_jax.errors import InputError
from ksdiff_jax.outputs import check_output, same_place

OUTPUTS = {"metrics.json": "metrics", "openings.png": "openings", "openings-real.png": "openings"}


def check_options(args: argparse.Namespace) -> None:
    """Raise `InputError` for options that the chosen measurement does not use or lacks."""
    if args.discriminate:
        check_discrimination(args)
    elif args.late:
        raise InputError(f"--late {args.late}: used with --discriminate only; add it, or omit this")
    elif is_table(args):
        check_table(args)
    else:
        _check_real(args)


def _check_real(args: argparse.Namespace) -> None:
    """Raise `InputError` if --real is given and not used, or needed and not given."""
    given = f"--real {' '.join(args.real or ())}"
    if args.real and "real" not in args.metrics:
        raise InputError(f"{given}: --metrics leaves out the group real; add it, or omit --real")
    if args.real and args.control:
        raise InputError(
            f"{given}: --control {args.control} has no motion for real speech; omit one"
        )
    if args.folds and args.metrics != ["real"]:
        raise InputError(
            f"--folds {' '.join(args.folds)}: these measure real people only; add --metrics real "
            "--real DIR"
        )
    if args.folds and args.checkpoint:
        raise InputError(
            f"--folds and --checkpoint {args.checkpoint}: name all checkpoints behind --folds"
        )
    if args.metrics == ["real"] and not args.real and not args.sync:
        raise InputError("--metrics real: no real people; name their folders with --real DIR")


def check_out(args: argparse.Namespace) -> None:
    """Raise `InputError` unless the results can be written into the folder of --out."""
    if not args.out:
        return
    from ksdiff_jax.models.pretrained import find_pretrained

    out = Path(args.out)
    inputs = list(
        filter(
            None,
            (
                *map(find_pretrained, args.folds or [args.checkpoint]),
                args.data,
                args.encoder,
                args.sync,
                *(args.real or ()),
            ),
        )
    )
    if same := next((name for name in inputs if same_place(out, name)), None):
        raise InputError(f"--out {out}: would write into the input {same}; name another folder")
    for name, purpose in _outputs_of(args).items():
        check_output(out / name, purpose, overwrite=args.overwrite, inputs=inputs)


def _outputs_of(args: argparse.Namespace) -> dict[str, str]:
    """Return the names of the files that the command may write, and their purposes."""
    if args.discriminate:
        return {DISCRIMINATION_FILE: PURPOSE}
    return {SAMPLING_FILE: "sampling"} if is_table(args) else OUTPUTS
