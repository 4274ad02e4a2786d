"""Checks of `ksdiff-jax evaluate` before any work: options that exclude each other, and outputs."""

import argparse
from pathlib import Path

from ksdiff_jax.cli.evaluate_compare import PURPOSE as COMPARISON
from ksdiff_jax.cli.evaluate_compare import TABLES, picture_names
from ksdiff_jax.cli.evaluate_discriminate import FILE as DISCRIMINATION_FILE
from ksdiff_jax.cli.evaluate_discriminate import PURPOSE, check_discrimination
from ksdiff_jax.cli.evaluate_lse import check_lse
from ksdiff_jax.cli.evaluate_samplers import FILE as SAMPLERS_FILE
from ksdiff_jax.cli.evaluate_samplers import check_samplers
from ksdiff_jax.cli.evaluate_sampling import FILE as SAMPLING_FILE
from ksdiff_jax.cli.evaluate_sampling import check_table, is_table
from ksdiff_jax.cli.evaluate_videos import video_names
from ksdiff_jax.errors import InputError
from ksdiff_jax.outputs import check_output, same_place

OUTPUTS = {"metrics.json": "metrics", "openings.png": "openings", "openings-real.png": "openings"}
LONE_OPTIONS = ("checkpoints", "datas")  # of which --discriminate and a table use one


def check_options(args: argparse.Namespace) -> None:
    """Raise `InputError` for options that the chosen measurement does not use or lacks."""
    if args.videos and not args.out:
        raise InputError(f"--videos {args.videos}: need a folder for them; add --out DIR")
    if args.landmarks and not args.face:
        raise InputError(f"--landmarks {args.landmarks}: these are of a --face; add it")
    if args.training_clips is not None and args.training_clips < 0:
        raise InputError(f"--training-clips {args.training_clips}: need 0 or more")
    if args.discriminate or args.samplers or is_table(args):
        for name in LONE_OPTIONS:
            if len(getattr(args, name) or ()) > 1:
                raise InputError(
                    f"--{name.removesuffix('s')}: got {len(getattr(args, name))}, need one for "
                    "--discriminate and a table of sampling options"
                )
    if args.discriminate:
        check_discrimination(args)
    elif args.late:
        raise InputError(f"--late {args.late}: used with --discriminate only; add it, or omit this")
    elif args.samplers:
        check_samplers(args)
    elif is_table(args):
        check_table(args)
    else:
        _check_real(args)
        check_lse(args)


def _check_real(args: argparse.Namespace) -> None:
    """Raise `InputError` if --real is given and not used, or needed and not given."""
    given = f"--real {' '.join(args.real or ())}"
    if args.real and "real" not in args.metrics and not args.syncnet:
        raise InputError(f"{given}: --metrics leaves out the group real; add it, or omit --real")
    if args.real and args.control and "real" in args.metrics:
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


def check_out(args: argparse.Namespace, checkpoints: list[str]) -> None:
    """Raise `InputError` unless the results can be written into the folder of --out."""
    if not args.out:
        return
    from ksdiff_jax.models.pretrained import find_pretrained

    out = Path(args.out)
    inputs = list(
        filter(
            None,
            (
                *map(find_pretrained, checkpoints),
                *args.datas,
                args.face,
                args.landmarks,
                args.encoder,
                args.autoencoder,
                args.sync,
                args.syncnet,
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
    if args.samplers:
        return {SAMPLERS_FILE: "samplers"}
    if is_table(args):
        return {SAMPLING_FILE: "sampling"}
    compared = dict.fromkeys((*TABLES, *picture_names(len(args.datas))), COMPARISON)
    videos = dict.fromkeys(video_names(args.videos or 0), "video")
    return OUTPUTS | ({} if args.control else compared) | videos
