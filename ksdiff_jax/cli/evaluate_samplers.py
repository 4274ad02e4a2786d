"""The part of `ksdiff-jax evaluate` that compares samplers: `--samplers A B --steps N M` makes a
table of every sampler with every number of steps against 50 steps of DDIM.

Every row is stored in `samplers.json` when it is finished. A later call with the same checkpoint,
clips, samples, seed and other options keeps the rows there and measures those that are missing. The
times of the rows of a call are measured at its end, in turn, as ratios to that of the reference.
"""

import argparse
import itertools
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, get_args

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
from ksdiff_jax.cli.evaluate_sampling import single_values
from ksdiff_jax.diffusion.config import SamplerName, Spacing
from ksdiff_jax.errors import InputError
from ksdiff_jax.outputs import write_document

if TYPE_CHECKING:  # slow to import
    from ksdiff_jax.animate.engine import Engine
    from ksdiff_jax.data.schema import Clip
    from ksdiff_jax.evaluate.sampler_table import Options, Row, Truth
    from ksdiff_jax.models.pretrained import Pretrained
    from ksdiff_jax.models.system import System
    from ksdiff_jax.speech.utterance import Utterance

FILE = "samplers.json"
SCHEMA = "ksdiff-samplers/1"
STEPS = (4, 6, 8, 10, 15, 25, 50)
REPEATS = 5  # of the times
Times = tuple[float, float, float]
# Options of sampling that a student has too; guidance is in its weights.
_OF_STUDENT = ("style", "blinks", "lip_temperature")
UNUSED = ("real", "folds", "syncnet", "sync", "control", "sampler", "videos")


def add_sampler_arguments(add: Callable[..., argparse.Action]) -> None:
    """Add the options of samplers and steps, some of which may have several values."""
    names = ", ".join(get_args(SamplerName))
    add(
        "--steps",
        type=int,
        nargs="+",
        metavar="N",
        help="sampler steps (default: the checkpoint's); several with --samplers",
    )
    add("--sampler", metavar="NAME", help=f"{names} (default: the checkpoint's)")
    add(
        "--samplers",
        nargs="+",
        metavar="NAME",
        help=f"several of {names}: a table of each with every number of --steps "
        f"(default: {' '.join(map(str, STEPS))}) against 50 steps of ddim, with a choice "
        f"({FILE}), which the same command continues after an interruption; five samples "
        "(--samples 5) separate 3 %%",
    )
    add(
        "--spacing",
        nargs="+",
        metavar="NAME",
        help=f"how the steps are placed: {', '.join(get_args(Spacing))} (default: the "
        "checkpoint's); several with --samplers",
    )
    add(
        "--student",
        metavar="CHECKPOINT",
        help="with --samplers: rows of a student that was distilled from the checkpoint "
        "(`ksdiff-jax train distill`) too, one for each of its numbers of steps",
    )


def use_one_value(args: argparse.Namespace) -> None:
    """Keep the lists of --steps and --spacing for the table, and one value of each for everything
    else; raise `InputError` for several values without --samplers, and for unknown names.
    """
    for option, known in (("sampler", SamplerName), ("spacing", Spacing)):
        given = [*(getattr(args, "samplers", None) or ())] if option == "sampler" else []
        given += [getattr(args, option)] if option == "sampler" else getattr(args, option) or []
        for name in filter(None, given):
            if name not in get_args(known):
                raise InputError(f"{option} {name}: need one of {', '.join(get_args(known))}")
    for option in ("steps", "spacing"):
        several = getattr(args, option) or []
        setattr(args, f"every_{option}", several)
        if len(several) > 1 and not args.samplers:
            raise InputError(
                f"--{option} {' '.join(map(str, several))}: several make a table; add --samplers, "
                "or give one value"
            )
        setattr(args, option, several[0] if len(several) == 1 else None)
    if args.student and not args.samplers:
        raise InputError(
            f"--student {args.student}: a row of the table of samplers; add --samplers, or name it "
            "with --checkpoint"
        )


def check_samplers(args: argparse.Namespace) -> None:
    """Raise `InputError` for options that the table does not use, and for the test split."""
    for option in UNUSED:
        if getattr(args, option) not in (None, [], ""):
            raise InputError(f"--{option}: not used with --samplers; omit one of them")
    for option in ("guidance", "lip_temperature"):
        if len(getattr(args, option) or ()) > 1:
            name = option.replace("_", "-")
            raise InputError(f"--{name}: several values are another table; omit --samplers")
    refuse_test_split(args, "a sampler")
    if args.student:  # refused before the clips are made
        from ksdiff_jax.models.pretrained import find_pretrained

        try:
            find_pretrained(args.student)
        except InputError as error:
            raise InputError(f"--student {args.student}: {error}") from error


def run_samplers(
    args: argparse.Namespace,
    system: "System",
    pretrained: "Pretrained",
    clips: "list[Clip]",
    *,
    out: Path | None,
    console: Console,
) -> int:
    """Measure, print and write the table of samplers."""
    if not hasattr(system.config.sample, "sampler"):
        raise InputError(f"--checkpoint {args.checkpoint}: it samples no motion; name another")
    about, engine = about_sources(args, pretrained), table_engine(system, pretrained, clips)
    engine = engine.with_options(**single_values(args) | {"sampler": None, "spacing": None})
    document = measure_samplers(args, engine, clips, about, out=out, console=console)
    choice = f"chosen: {document['chosen']['sampler']}, {document['chosen']['steps']} steps"
    return show_table(document, out and out / FILE, console, choice=choice)


def measure_samplers(
    args: argparse.Namespace,
    engine: "Engine",
    clips: "list[Clip]",
    about: dict,
    *,
    out: Path | None,
    console: Console,
) -> dict:
    """Return the document of `samplers.json`; store every row when it is finished.

    `about` describes the checkpoint and the data. Raise `InputError` for an invalid option, before
    any row is measured.
    """
    from ksdiff_jax.evaluate.sampler_table import row_of, truth_of
    from ksdiff_jax.face import builtin_face, check_face

    check_face(builtin_face(), engine.space.name, what="a table of samplers")
    own, wanted = _options(args, engine)
    engines = {options: engine.with_options(**options._asdict()) for options in wanted}
    engines |= _student_engines(args, about["checkpoint"], engine)
    wanted = list(engines)
    about |= what_is_measured(args, engine, clips, without=("sampler", "spacing", "steps"))
    rows, times = _finished(out, about, console)
    truth, utterances = truth_of(builtin_face(), clips), [engine.read_clip(c) for c in clips]
    for number, options in enumerate(wanted, start=1):
        label = f"row {number} of {len(wanted)}, {options}"
        if options not in rows:
            given = {"label": label, "console": console}
            each, took_s = sample_row(args, engines[options], utterances, **given)
            motions = [[one.motion for one in samples] for samples in each]
            rows[options] = row_of(options, motions, truth)
            _store(rows, times, truth, own, about, out=out, overwrite=args.overwrite)
            label += f" ({took_s:.0f} s)"
        console.say(label)
    times |= _times(engines, utterances, seed=args.seed, console=console)
    saved = {"out": out, "overwrite": args.overwrite}
    return _store(rows, times, truth, own, about, **saved, complete=True)


def _options(args: argparse.Namespace, engine: "Engine") -> "tuple[Options, list[Options]]":
    """Return the checkpoint's own options, and those of all rows, the reference first."""
    from ksdiff_jax.evaluate.sampler_table import REFERENCE, Options

    sample = engine.system.config.sample
    own = Options(sample.sampler, sample.spacing, sample.steps)
    steps = sorted(args.every_steps or STEPS)
    spacings = args.every_spacing or [sample.spacing]
    rows = itertools.starmap(Options, itertools.product(args.samplers, spacings, steps))
    return own, [*dict.fromkeys([REFERENCE, *rows])]


def _student_engines(
    args: argparse.Namespace, teacher: dict, engine: "Engine"
) -> "dict[Options, Engine]":
    """Return an engine of the student for each of its numbers of steps; {} without `--student`.

    Raise `InputError` for a checkpoint that is not a student of this one.
    """
    if not args.student:
        return {}
    from ksdiff_jax.animate.engine import Engine
    from ksdiff_jax.evaluate.sampler_table import Options
    from ksdiff_jax.models import build_system
    from ksdiff_jax.models.pretrained import load_pretrained

    student = load_pretrained(args.student, encoder=args.encoder, space=args.space)
    distill = getattr(student.config, "distill", None)
    if distill is None or distill.digest != teacher["digest"]:
        raise InputError(
            f"--student {args.student}: was not distilled from {teacher['name']}; name its teacher "
            "with --checkpoint"
        )
    system = build_system(student.config, student.space)
    whole = Engine(system, student.params, buckets=engine.buckets)
    given = {name: value for name, value in single_values(args).items() if name in _OF_STUDENT}
    name = f"student {student.digest[:8]}"
    return {
        Options(name, "trailing", steps): whole.with_options(steps=steps, **given)
        for steps in distill.student_steps
    }


def _times(
    engines: "dict[Options, Engine]", utterances: "list[Utterance]", *, seed: int, console: Console
) -> "dict[Options, Times]":
    """Return the time of one batch of every row over that of the reference, interleaved: median,
    lowest and highest. The speech encoder and compilation are left out.
    """
    from ksdiff_jax.animate.batches import FRAMES_PER_BATCH
    from ksdiff_jax.bench.timing import in_turn
    from ksdiff_jax.evaluate.sampler_table import REFERENCE

    any_engine = next(iter(engines.values()))
    count = max(1, FRAMES_PER_BATCH // any_engine.buckets[-1])
    batch = list(itertools.islice(itertools.cycle(utterances), count))
    works = {
        str(options): lambda engine=engine: [s.motion for s in engine.sample(batch, seed=seed)]
        for options, engine in engines.items()
    }
    console.say(f"times of {len(works)} rows, in turn, {REPEATS} times")
    in_turn(works, repeats=1)
    spent = in_turn(works, repeats=REPEATS)
    ratios = {
        o: [one / other for one, other in zip(spent[str(o)], spent[str(REFERENCE)], strict=True)]
        for o in engines
    }
    return {o: (statistics.median(each), min(each), max(each)) for o, each in ratios.items()}


def _finished(
    out: Path | None, about: dict, console: Console
) -> "tuple[dict[Options, Row], dict[Options, Times]]":
    """Return the rows and times of an earlier call that measured the same."""
    from ksdiff_jax.evaluate.sampler_table import Options, from_json

    content = stored_table(out and out / FILE, "samplers", about, console)
    if content is None:
        return {}, {}
    rows = [from_json(row) for row in content["rows"]]
    times = {
        Options(*(of[name] for name in Options._fields)): tuple(of["ratio"])
        for of in content["times"]
    }
    return {row.options: row for row in rows}, times


def _store(
    rows: "dict[Options, Row]",
    times: "dict[Options, Times]",
    truth: "Truth",
    own: "Options",
    about: dict,
    *,
    out: Path | None,
    overwrite: bool,
    complete: bool = False,
) -> dict:
    """Return the document of the rows, and write it if there is a folder for it."""
    from ksdiff_jax.evaluate.sampler_table import (
        RULE,
        as_json,
        changes,
        chosen,
        markdown,
        reference_of,
    )

    every = sorted(rows.values(), key=lambda row: row.options)
    choice = chosen(every, truth.dynamics_m2) if complete else None
    table = {"times": times, "shipped": own, "choice": choice}
    document = {
        "schema": SCHEMA,
        "about": about,
        "rule": RULE,
        "checkpoints_own": own._asdict(),
        "chosen": choice.options._asdict() if choice else None,
        "changes": [
            row.options._asdict()
            | {
                name: [x if abs(x) < 1e9 else None for x in map(float, change[:3])]
                for name, change in changes(row, reference_of(every), truth.dynamics_m2).items()
            }
            for row in every
        ],
        "times": [options._asdict() | {"ratio": each} for options, each in times.items()],
        "rows": [as_json(row) for row in every],
        "table": markdown(every, truth.dynamics_m2, **table),
    }
    if out is not None:
        write_document(out / FILE, document, overwrite=overwrite)
    return document
