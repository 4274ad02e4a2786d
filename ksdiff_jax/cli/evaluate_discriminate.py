"""The part of `ksdiff-jax evaluate` that tests the metrics themselves: `--discriminate` measures
how often each ranks the true motion of a clip before wrong ones. No motion is sampled.
"""

import argparse
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ksdiff_jax.cli.console import Console
from ksdiff_jax.errors import InputError
from ksdiff_jax.outputs import write_document

if TYPE_CHECKING:  # slow to import
    from ksdiff_jax.data.schema import Clip
    from ksdiff_jax.models.system import System

FILE = "discrimination.json"
PURPOSE = "discrimination"
SCHEMA = f"ksdiff-{PURPOSE}/1"


def add_discriminate_argument(add: Callable[..., argparse.Action]) -> None:
    """Add the option."""
    add(
        "--discriminate",
        action="store_true",
        help="test the metrics instead of the checkpoint: how often each ranks the true motion of "
        "a clip before another clip's, the reversed one, two still faces and noise "
        "(discrimination.json); the checkpoint gives the motion space only",
    )
    add(
        "--late",
        type=int,
        default=0,
        metavar="N",
        help="with --discriminate: the true motion is N frames of 40 ms late, which metrics should "
        "forgive before they forgive wrong motion (default: 0)",
    )


def check_discrimination(args: argparse.Namespace) -> None:
    """Raise `InputError` for options that the test of the metrics does not use."""
    if args.late < 0:
        raise InputError(f"--late {args.late}: need a number of frames, 0 or more")
    sampling = ("guidance", "lip_temperature", "steps", "style", "head_guidance", "blinks")
    sampling += ("sampler", "samplers", "spacing")
    for option in ("real", "folds", "syncnet", "control", "causal", "face", "videos", *sampling):
        if getattr(args, option) not in (None, False):
            name = option.replace("_", "-")
            raise InputError(
                f"--{name}: not used with --discriminate, which samples no motion; omit one of them"
            )


def run_discrimination(
    args: argparse.Namespace,
    system: "System",
    clips: "list[Clip]",
    *,
    out: Path | None,
    console: Console,
) -> int:
    """Measure, print and write what the metrics can tell."""
    import numpy as np

    from ksdiff_jax.cli.evaluate_real import Steps
    from ksdiff_jax.evaluate.discrimination import ENOUGH_CLIPS, discriminate
    from ksdiff_jax.evaluate.discrimination_table import LEGEND, as_json, markdown
    from ksdiff_jax.evaluate.report import machine
    from ksdiff_jax.evaluate.sync import held_out_figures
    from ksdiff_jax.face import builtin_face, check_face
    from ksdiff_jax.models.sync.expert import load_expert

    space = system.space
    check_face(builtin_face(), space.name, what="--discriminate")
    if len(clips) < 2:
        raise InputError(
            f"--discriminate: got {len(clips)} clip, need two or more to exchange motions; use a "
            "larger --clips or --split"
        )
    if len(clips) < ENOUGH_CLIPS:
        console.warn(f"{len(clips)} clips; the test of the metrics is meant for {ENOUGH_CLIPS}")
    expert = load_expert(args.sync, space=space.name) if args.sync else None
    started = time.perf_counter()
    lines = discriminate(
        clips,
        face=builtin_face(),
        mean=np.asarray(space.mean),
        expert=expert,
        late_frames=args.late,
        seed=args.seed,
        progress=functools.partial(Steps(console), "motions"),
    )
    document = {
        "schema": SCHEMA,
        **as_json(lines, clips=len(clips)),
        "data": args.data or "built-in corpus",
        "split": args.split,
        "clips": len(clips),
        "sync": args.sync,
        "sync_model": held_out_figures(expert) if expert else {},
        "late_frames": args.late,
        "seed": args.seed,
        "machine": machine(),
        "measured_in_s": round(time.perf_counter() - started, 1),
        "legend": LEGEND,
        "table": markdown(lines),
    }
    _report(document, args, out=out, console=console)
    return 0


def _report(
    document: dict, args: argparse.Namespace, *, out: Path | None, console: Console
) -> None:
    """Print and write the results."""
    for line in ("", *document["table"].splitlines(), "", document["legend"]):
        console.say(line)
    for name, reason in document["not_tested"].items():
        console.say(f"not tested: {name}: {reason}")
    for name, value in document["sync_model"].items():
        console.say(f"{name} (recorded by {args.sync}): {value:.4g}")
    if out:
        write_document(out / FILE, document, overwrite=args.overwrite)
        console.say(f"{out / FILE} contains the table and every share")
    console.result(document)
