"""The part of `ksdiff-jax evaluate` that compares sampling options: several values of --guidance or
--lip-temperature make a table of their combinations.

Rows of the checkpoint's own options and of the plain sampler are always in the table. Every row is
stored in `sampling.json` when it is finished. A later call with the same checkpoint, clips, samples
and seed keeps the rows there and measures those that are missing.
"""

import argparse
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ksdiff_jax.cli.console import Console
from ksdiff_jax.cli.evaluate_rows import (
    about_sources,
    refuse_test_split,
    sample_row,
    show_table,
    stored_table,
    table_engine,
    what_is_measured,
)
from ksdiff_jax.errors import InputError
from ksdiff_jax.outputs import write_document

if TYPE_CHECKING:  # slow to import
    from ksdiff_jax.animate.engine import Engine
    from ksdiff_jax.data.schema import Clip
    from ksdiff_jax.evaluate.sampling_table import Options, Row
    from ksdiff_jax.models.pretrained import Pretrained
    from ksdiff_jax.models.system import System

FILE = "sampling.json"
SCHEMA = "ksdiff-sampling/1"


def add_sampling_arguments(add: Callable[..., argparse.Action]) -> None:
    """Add the options of the sampler; two of them may have several values."""
    add(
        "--guidance",
        type=float,
        nargs="+",
        metavar="S",
        help="guidance scale (default: the checkpoint's); several values here or in "
        "--lip-temperature measure only the mouth, in a table of all combinations with a choice "
        "(sampling.json), which the same command continues after an interruption",
    )
    add(
        "--lip-temperature",
        type=float,
        nargs="+",
        metavar="T",
        help="initial noise of the lips, 0 to 1, e.g. 0 0.5 1 (default: the checkpoint's)",
    )
    add(
        "--style",
        metavar="NAME",
        help="move as this source of the training data, e.g. corpus for clips of the built-in "
        "corpus (default: the checkpoint's)",
    )
    add(
        "--head-guidance",
        type=float,
        metavar="S",
        help="guidance scale of the head alone (default: the checkpoint's, or that of --guidance)",
    )
    add(
        "--causal",
        action="store_true",
        help="sample as live speech would be: no frame depends on sound more than the model's "
        "look-ahead (0.2 s) after it, and no transcript is read",
    )
    add(
        "--blinks",
        choices=("sampled", "drawn"),
        help="the model's own, or drawn at random (default: the checkpoint's)",
    )


def is_table(args: argparse.Namespace) -> bool:
    """Return whether the command line asks for a table of sampling options."""
    return any(len(values or ()) > 1 for values in (args.guidance, args.lip_temperature))


def check_table(args: argparse.Namespace) -> None:
    """Raise `InputError` for options that a table does not use, and for the test split."""
    for option in ("real", "folds", "syncnet", "sync", "control", "head_guidance", "blinks"):
        if getattr(args, option) not in (None, [], ""):
            raise InputError(
                f"--{option.replace('_', '-')}: not used for a table of sampling options; omit it, "
                "or give one value of --guidance and of --lip-temperature"
            )
    refuse_test_split(args, "options")


def single_values(args: argparse.Namespace) -> dict[str, float | str]:
    """Return the sampling options that have one value, as far as they are given."""
    several = {"guidance": args.guidance, "lip_temperature": args.lip_temperature}
    names = ("style", "head_guidance", "blinks", "sampler", "spacing")
    alone = {name: getattr(args, name) for name in names}
    given = {name: values[0] for name, values in several.items() if values}
    given |= {name: value for name, value in alone.items() if value is not None}
    return given | ({"causal": True} if args.causal else {})


def run_table(
    args: argparse.Namespace,
    system: "System",
    pretrained: "Pretrained",
    clips: "list[Clip]",
    *,
    out: Path | None,
    console: Console,
) -> int:
    """Measure, print and write a table of sampling options."""
    about, engine = about_sources(args, pretrained), table_engine(system, pretrained, clips)
    if args.style:
        about["style"] = args.style
    own = {name: getattr(args, name) for name in ("steps", "style", "sampler", "spacing")}
    engine = engine.with_options(**own, causal=True if args.causal else None)
    document = measure_table(args, engine, clips, about, out=out, console=console)
    return show_table(document, out and out / FILE, console)


def measure_table(
    args: argparse.Namespace,
    engine: "Engine",
    clips: "list[Clip]",
    about: dict,
    *,
    out: Path | None,
    console: Console,
) -> dict:
    """Return the document of `sampling.json`; print and store every row when it is finished.

    `about` describes the checkpoint and the data. Raise `InputError` for an invalid option, before
    any row is measured.
    """
    from ksdiff_jax.evaluate.prediction import prediction_of
    from ksdiff_jax.evaluate.sampling_table import TITLES, shown, table_row, true_mouths
    from ksdiff_jax.face import builtin_face, check_face

    check_face(builtin_face(), engine.space.name, what="a table of sampling options")
    own, wanted = compared_options(args, engine)
    engines = {options: engine.with_options(**options._asdict()) for options in wanted}
    about |= what_is_measured(args, engine, clips, without=("guidance", "lip_temperature"))
    rows = _finished(out, about, console)
    truth, utterances = true_mouths(builtin_face(), clips), []
    for number, options in enumerate(wanted, start=1):
        label = ", ".join(f"{n.replace('_', ' ')} {v:g}" for n, v in options._asdict().items())
        if options not in rows:
            utterances = utterances or [engine.read_clip(clip) for clip in clips]
            given = {"label": label, "console": console}
            each, took_s = sample_row(args, engines[options], utterances, **given)
            rows[options] = table_row(options, [prediction_of(one) for one in each], truth)
            _store(rows, own, about, out, args)
            label += f" ({took_s:.0f} s)"
        figures = (f"{title} {shown(rows[options].figures[n])}" for n, title in TITLES.items())
        console.say(f"row {number} of {len(wanted)}, {label}: {', '.join(figures)}")
    rows = dict(sorted(rows.items()))
    return _store(rows, own, about, out, args, complete=True)


def compared_options(args: argparse.Namespace, engine: "Engine") -> "tuple[Options, list[Options]]":
    """Return the checkpoint's own options in the mode of the engine, and the options of all rows.

    Raise `InputError` for a system without them.
    """
    from ksdiff_jax.evaluate.sampling_table import Options

    sample = engine.system.config.sample
    if not all(hasattr(sample, name) for name in Options._fields):
        raise InputError(
            f"--checkpoint {args.checkpoint}: its sampler has no guidance and lip temperature; "
            "name the checkpoint of a system that has"
        )
    own = Options(*(float(getattr(sample, name)) for name in Options._fields))
    if hasattr(sample, "guidance_of"):
        own = own._replace(guidance=float(sample.guidance_of("expression")))
    grid = (args.guidance or [own.guidance], args.lip_temperature or [own.lip_temperature])
    wanted = [own, Options(1.0, 1.0), *itertools.starmap(Options, itertools.product(*grid))]
    return own, sorted(dict.fromkeys(wanted))


def _finished(out: Path | None, about: dict, console: Console) -> "dict[Options, Row]":
    """Return the rows of an earlier call that measured the same."""
    from ksdiff_jax.evaluate.sampling_table import from_json

    content = stored_table(out and out / FILE, "sampling", about, console)
    rows = [from_json(row) for row in content["rows"]] if content else []
    return {row.options: row for row in rows}


def _store(
    rows: "dict[Options, Row]",
    own: "Options",
    about: dict,
    out: Path | None,
    args: argparse.Namespace,
    *,
    complete: bool = False,
) -> dict:
    """Return the document of the rows, and write it if there is a folder for it."""
    from ksdiff_jax.evaluate.sampling_table import RULE, as_json, chosen, markdown

    choice = chosen(list(rows.values())) if complete else None
    document = {
        "schema": SCHEMA,
        "about": about,
        "rule": RULE,
        "checkpoints_own": own._asdict(),
        "chosen": choice.options._asdict() if choice else None,
        "rows": [as_json(row) for row in rows.values()],
        "table": markdown(list(rows.values()), shipped=own, choice=choice),
    }
    if out is not None:
        write_document(out / FILE, document, overwrite=args.overwrite)
    return document
