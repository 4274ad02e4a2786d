"""The part of `ksdiff-jax evaluate` that scores painted frames of unseen people: `--people`
compares a frames checkpoint with painters without a network, on rendered heads.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ksdiff_jax.cli.console import Console
from ksdiff_jax.errors import InputError
from ksdiff_jax.outputs import write_document

if TYPE_CHECKING:  # slow to import
    from ksdiff_jax.evaluate.unseen_people import PeopleScores
    from ksdiff_jax.models.pretrained import Pretrained

PURPOSE = "painted-people"
FILE, STRIP = "people.json", "people.png"
OUTPUTS = {FILE: PURPOSE, STRIP: "painted-strip"}
SCHEMA = f"ksdiff-{PURPOSE}/1"
UNUSED = ("real", "folds", "syncnet", "sync", "control", "causal", "face", "videos", "samplers")
UNUSED += ("discriminate", "late", "lip_temperature", "head_guidance", "blinks")


def add_people_argument(add: Callable[..., argparse.Action]) -> None:
    """Add the option."""
    add(
        "--people",
        action="store_true",
        help="of a checkpoint that paints frames: PSNR of face and mouth, and whether the painted "
        "lips open as the true ones, on rendered people that it was not trained on, beside a copy "
        f"of the reference and two linear maps ({FILE}, {STRIP}); needs --data with pictures, as "
        "`ksdiff-jax corpus --pictures 64` makes it",
    )


def check_people(args: argparse.Namespace) -> None:
    """Raise `InputError` for options that the scores of painted people do not use."""
    for option in UNUSED:
        if getattr(args, option) not in (None, [], "", False):
            raise InputError(
                f"--{option.replace('_', '-')}: not used with --people; omit one of them"
            )
    if len(args.guidance or ()) > 1:
        raise InputError("--guidance: several values make a table; give one value with --people")
    if len(args.checkpoints or ()) != 1:
        raise InputError("--people: name one --checkpoint, of a system that paints frames")
    if args.datas in ([], [None]):
        raise InputError(
            "--people: needs the data that the checkpoint was trained on; name its folder with "
            "--data"
        )


def run_people(
    args: argparse.Namespace, pretrained: "Pretrained", *, out: Path | None, console: Console
) -> int:
    """Measure, print and write the scores."""
    from ksdiff_jax.data.description import check_pictures, dataset_info
    from ksdiff_jax.evaluate.frame_scores import painted_table, targets_of
    from ksdiff_jax.evaluate.painted_strip import write_painted_strip
    from ksdiff_jax.evaluate.report import machine
    from ksdiff_jax.evaluate.run import read_clips
    from ksdiff_jax.evaluate.unseen_people import (
        PAINTED,
        frames_painters,
        people_scores,
        yardstick,
    )
    from ksdiff_jax.face import builtin_face, check_face
    from ksdiff_jax.models import build_system
    from ksdiff_jax.models.system import PaintingSystem

    system = build_system(_with_options(args, pretrained.config), pretrained.space)
    if not isinstance(system, PaintingSystem):
        raise InputError(
            f"--people: {args.checkpoint} is of the system {pretrained.config.system}, which "
            "paints no frames; name a frames checkpoint"
        )
    check_face(builtin_face(), system.space.name, what="--people")
    info = dataset_info(args.data)
    check_pictures(info, system.picture_side, what=args.data)
    started = time.perf_counter()
    clips = read_clips(args.data, split=args.split, clips=args.clips, space=system.space.name)
    using = yardstick(args.data, tell=console.say)
    console.say(f"painting {len(clips)} people of the split {args.split}")
    painters = frames_painters(system, pretrained.params, seed=args.seed)
    found = people_scores(painters, clips, using)
    document = {
        "schema": SCHEMA,
        "checkpoint": {"name": args.checkpoint, "digest": pretrained.digest},
        "data": args.data,
        "split": args.split,
        "people": len(clips),
        "sampling": vars(system.config.sample),
        "seed": args.seed,
        **_figures(found),
        "table": painted_table(found.scores),
        "machine": machine(),
        "measured_in_s": round(time.perf_counter() - started, 1),
    }
    _report(document, console)
    if out:
        shown = targets_of(clips[_middle(found)])
        painted = {PAINTED: painters[PAINTED](shown)}
        write_painted_strip(out / STRIP, shown, painted, overwrite=args.overwrite)
        write_document(out / FILE, document, overwrite=args.overwrite)
        console.say(
            f"{out / STRIP} shows the person of median PSNR: reference, truth, painted, error"
        )
    console.result(document)
    return 0


def _with_options(args: argparse.Namespace, config):
    """Return the configuration with the sampling options of the command line."""
    given = {"steps": args.steps, "sampler": args.sampler, "spacing": args.spacing}
    given["guidance"] = args.guidance[0] if args.guidance else None
    given = {name: value for name, value in given.items() if value is not None}
    return replace(config, sample=replace(config.sample, **given)) if given else config


def _middle(found: "PeopleScores") -> int:
    """Return the place of the person whose painted face has the median PSNR."""
    import numpy as np

    from ksdiff_jax.evaluate.unseen_people import PAINTED

    order = np.argsort(found.scores[PAINTED]["psnr_face"])
    return int(order[len(order) // 2])


def _figures(found: "PeopleScores") -> dict:
    """Return scores, leads and the regressors as a document."""
    from ksdiff_jax.evaluate.frame_scores import interval_over_clips

    return {
        "scores": {
            painter: {name: interval_over_clips(values)._asdict() for name, values in each.items()}
            for painter, each in found.scores.items()
        },
        "leads": {
            name: {other: interval._asdict() for other, interval in each.items()}
            for name, each in found.leads().items()
        },
        "opening_r_by_regressor": {
            painter: [interval._asdict() for interval in each]
            for painter, each in found.r_by_regressor.items()
        },
        "regressors_valid": found.valid,
    }


def _report(document: dict, console: Console) -> None:
    """Print the table, the leads and the validity of the regressors."""
    from ksdiff_jax.evaluate.unseen_people import NEEDED_R

    for line in ("", *document["table"], "", "lead of the painted frames, person by person:"):
        console.say(line)
    for name, each in document["leads"].items():
        cells = [
            f"{other} {lead['mean']:+.3f} [{lead['low']:+.3f}, {lead['high']:+.3f}]"
            for other, lead in each.items()
        ]
        console.say(f"  {name:<18} over {'; over '.join(cells)}")
    if not document["regressors_valid"]:
        console.warn(
            f"a regressor's r on the true frames is below {NEEDED_R}: opening_r is not valid here"
        )
    console.say(
        f"{document['people']} people of {document['split']}, in {document['measured_in_s']} s"
    )
