"""`ksdiff-jax evaluate`: measures a checkpoint and writes a table, `metrics.json` and plots.

Without `--data`, espeak-ng synthesises the test split of the built-in corpus into the user's cache.
Its voices and sentences do not occur in the training data.
"""

import argparse
import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable
from pathlib import Path

from ksdiff_jax.cli.console import Console, add_output_arguments, add_overwrite_argument
from ksdiff_jax.cli.device import PLATFORMS, keep_compilations, use_device
from ksdiff_jax.cli.evaluate_checks import check_options, check_out
from ksdiff_jax.cli.evaluate_clips import clips_of_split
from ksdiff_jax.cli.evaluate_discriminate import add_discriminate_argument, run_discrimination
from ksdiff_jax.cli.evaluate_sampling import (
    add_sampling_arguments,
    is_table,
    run_table,
    single_values,
)
from ksdiff_jax.cli.results_folder import results_folder
from ksdiff_jax.errors import InputError
from ksdiff_jax.outputs import write_document

SUMMARY = "measure a checkpoint: lips, blinks, keyframes, head motion, real speech, silence"
METRICS = (
    "lips",
    "upper_face",
    "landmarks",
    "blinks",
    "keyframes",
    "pose",
    "beats",
    "head",
    "real",
)
CURVES_SHOWN = 4
EXAMPLES = """examples:
  ksdiff-jax evaluate --out figures
  ksdiff-jax evaluate --checkpoint runs/demo --data shards --metrics lips keyframes
  ksdiff-jax evaluate --metrics real --real faces --out figures    real people, with baselines
  ksdiff-jax evaluate --metrics real --real faces --folds runs/a runs/b    people held out
  ksdiff-jax evaluate --guidance 1 1.5 2 3 --lip-temperature 0 0.5 1 --clips 16 --out figures
                                            a table of sampling options, on the validation split
  ksdiff-jax evaluate --metrics real --real faces --head-guidance 3 --blinks drawn
  ksdiff-jax evaluate --discriminate --sync sync --out figures
                                            which metrics know true motion from wrong motion?
  ksdiff-jax evaluate --discriminate --late 4    and if the true motion is 160 ms late?
  ksdiff-jax evaluate --sync sync           is the motion in step with the speech?
  ksdiff-jax evaluate --checkpoint sync     a lip-sync model: does it tell true from shifted?
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = EXAMPLES
    _add_checkpoint_and_data(parser.add_argument)
    _add_figures_and_sampling(parser.add_argument)
    parser.add_argument(
        "--device", choices=tuple(PLATFORMS), help="where to compute (default: JAX's choice)"
    )
    parser.add_argument("--out", metavar="DIR", help="write metrics.json and plots here")
    add_overwrite_argument(parser)
    add_output_arguments(parser)


def _add_checkpoint_and_data(add: Callable[..., argparse.Action]) -> None:
    add(
        "--checkpoint",
        metavar="DIR",
        help="checkpoint folder, training workdir, shipped name (whisper_demo, the default, or "
        "demo, without a pretrained encoder) or org/name of the hub",
    )
    add(
        "--encoder",
        metavar="PATH",
        help="folder of the checkpoint's pretrained speech encoder, if it has moved",
    )
    add(
        "--data",
        metavar="DIR",
        help="a folder of shards (default: the built-in corpus, made on first use)",
    )
    add(
        "--space",
        default="",
        metavar="NAME",
        help="motion space (builtin, flame) of a checkpoint or data set "
        "of an earlier version that does not record it",
    )
    add(
        "--split",
        help="split of the data set (default: test; val for a table of sampling options)",
    )
    add(
        "--choose-on-test",
        action="store_true",
        help="allow a table of sampling options on the test split, e.g. to report a choice that "
        "was made elsewhere",
    )
    add("--clips", type=int, metavar="N", help="use the first N clips (default: the whole split)")
    add(
        "--languages",
        nargs="+",
        metavar="L",
        help="languages of the built-in corpus (default: all of them)",
    )


def _add_figures_and_sampling(add: Callable[..., argparse.Action]) -> None:
    add(
        "--metrics",
        nargs="+",
        choices=METRICS,
        default=list(METRICS),
        help="groups of figures (default: all)",
    )
    add(
        "--real",
        nargs="+",
        metavar="DIR",
        help="real people: DIR/lips/*.npz (measured openings and the sound files named there), or "
        "a folder of videos, one folder per person, which are tracked once (`make tracker`)",
    )
    add(
        "--folds",
        nargs="+",
        metavar="DIR",
        help="with --metrics real, in place of --checkpoint: checkpoints that were trained on "
        "different people; each person is measured by the first that saw none of their files",
    )
    add(
        "--real-seeds",
        type=int,
        default=3,
        metavar="N",
        help="samples of each real clip, of the seeds --seed, --seed + 1 ... (default: 3)",
    )
    add(
        "--sync",
        metavar="DIR",
        help="a lip-sync model (as `ksdiff-jax train sync_demo` makes one): its accuracy on the "
        "clips, and its confidence in the motion",
    )
    add(
        "--samples",
        type=int,
        default=2,
        help="samples of each clip; two or more allow a comparison of lips and heads (default: 2)",
    )
    add("--steps", type=int, metavar="N", help="sampler steps (default: the checkpoint's)")
    add_sampling_arguments(add)
    add("--seed", type=int, default=0, metavar="N", help="same seed, same samples; default 0")
    add(
        "--control",
        choices=("truth", "still"),
        help="score the ground truth, or a face that never moves, instead",
    )
    add_discriminate_argument(add)


def run(args: argparse.Namespace) -> int:
    """Check the options, measure, print and write the figures."""
    for name in ("clips", "samples", "real_seeds"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            option = name.replace("_", "-")
            raise InputError(f"--{option} {getattr(args, name)}: need 1 or more")
    args.split = args.split or ("val" if is_table(args) else "test")
    check_options(args)
    from ksdiff_jax.animate.engine import check_seed
    from ksdiff_jax.models import build_system
    from ksdiff_jax.models.pretrained import DEFAULT_NAME, load_pretrained

    args.checkpoint = args.checkpoint or DEFAULT_NAME

    console = Console("evaluate", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    use_device(args.device)
    keep_compilations()
    check_out(args)
    check_seed(args.seed)
    names = args.folds or [args.checkpoint]
    several = [load_pretrained(name, encoder=args.encoder, space=args.space) for name in names]
    system = build_system(several[0].config, several[0].space)
    with results_folder(args.out) if args.out else contextlib.nullcontext() as out:
        if args.discriminate or is_table(args):
            clips = clips_of_split(args, system, console)
        if args.discriminate:
            return run_discrimination(args, system, clips, out=out, console=console)
        if is_table(args):
            return run_table(args, system, several[0], clips, out=out, console=console)
        return _measure(args, system, several, out=out, console=console)


def _measure(args, system, several, *, out: Path | None, console: Console) -> int:
    """Measure, print and write the groups of figures."""
    from ksdiff_jax.animate.engine import Engine
    from ksdiff_jax.evaluate import report
    from ksdiff_jax.models import build_system
    from ksdiff_jax.models.sync.system import Sync

    pretrained, names = several[0], args.folds or [args.checkpoint]
    started = time.perf_counter()
    if isinstance(system, Sync):
        figures, curves = _of_sync_model(args, system, pretrained, console), []
        real_curves, about_real = [], {}
    else:
        engines = [
            Engine(build_system(each.config, each.space), each.params).with_options(
                steps=args.steps, **single_values(args)
            )
            for each in several
        ]
        engine, system = engines[0], engines[0].system
        figures, curves = _on_split(args, engine, console)
        real_figures, real_curves, about_real = _on_real(args, engines, several, console)
        figures |= real_figures
    about = {
        "machine": report.machine(),
        "checkpoint": {"name": names[0], "digest": pretrained.digest},
        "folds": [
            {"name": n, "digest": each.digest} for n, each in zip(names, several, strict=True)
        ],
        "data": args.data or "built-in corpus",
        "split": args.split,
        "options": dataclasses.asdict(system.config.sample),
        "sync": args.sync,
        "seed": args.seed,
        "control": args.control,
        "measured_in_s": round(time.perf_counter() - started, 1),
    } | ({"real": about_real} if about_real else {})
    if out:
        write_document(
            out / "metrics.json", report.as_json(figures, about), overwrite=args.overwrite
        )
        _plot(args, out, Path(names[0]).name, {args.split: curves, "real speech": real_curves})
    _print(console, figures, about, out)
    return 0


def _plot(args: argparse.Namespace, out: Path, name: str, curves: dict[str, list]) -> None:
    """Plot the mouth openings of the split and of the real people, as far as there are any."""
    from ksdiff_jax.evaluate import report

    for file, (shown_on, shown) in zip(("openings", "openings-real"), curves.items(), strict=True):
        if shown:
            title = f"mouth opening of {name}, {shown_on}"
            report.plot_openings(out / f"{file}.png", shown, title=title, overwrite=args.overwrite)


def _on_split(args, engine, console):
    """Return the figures and a few curves on the split of a data set."""
    groups = [group for group in args.metrics if group != "real"]
    if not groups and not args.sync:
        return {}, []
    import numpy as np

    from ksdiff_jax.cli.evaluate_real import Steps
    from ksdiff_jax.data.tally import motion_of_clip
    from ksdiff_jax.evaluate import run as evaluation
    from ksdiff_jax.evaluate.articulation import articulate, face_part
    from ksdiff_jax.evaluate.report import Curves
    from ksdiff_jax.evaluate.scores import score
    from ksdiff_jax.evaluate.sync import sync_figures
    from ksdiff_jax.face import builtin_face, face_height
    from ksdiff_jax.models.sync.expert import load_expert

    space = engine.space.name
    expert = load_expert(args.sync, space=space) if args.sync else None
    clips = clips_of_split(args, engine.system, console)
    keyframe_config = evaluation.keyframe_settings(engine.system.config)
    if args.control == "truth":
        predictions = evaluation.true_predictions(clips, keyframe_config=keyframe_config)
    elif args.control == "still":
        predictions = evaluation.still_predictions(clips, pose=np.asarray(engine.space.mean))
    else:
        predictions = evaluation.predict_clips(
            engine,
            clips,
            seed=args.seed,
            samples=args.samples,
            progress=functools.partial(Steps(console), "motion frames sampled"),
        )
    figures = score(clips, predictions, groups=groups, keyframe_config=keyframe_config)
    if expert:
        figures |= sync_figures(expert, clips, [prediction.motion[0] for prediction in predictions])
    if space != builtin_face().space:
        return figures, []
    part, height = face_part(builtin_face()), face_height(builtin_face())
    curves = [
        Curves(
            f"{clip.clip_id}: {clip.transcript[:90]}",
            articulate(part, prediction.motion[0]).opening / height,
            articulate(part, motion_of_clip(clip)).opening / height,
        )
        for clip, prediction in list(zip(clips, predictions, strict=True))[:CURVES_SHOWN]
    ]
    return figures, curves


def _of_sync_model(args, system, pretrained, console) -> dict[str, float]:
    """Return the accuracy of a lip-sync model, which generates no motion, on the split of a data
    set.
    """
    from ksdiff_jax.evaluate.sync import sync_figures
    from ksdiff_jax.models.sync.expert import Expert

    if args.sync or args.control or args.real:
        raise InputError(
            f"--checkpoint {args.checkpoint}: a lip-sync model itself, which has no motion to "
            "measure; leave --sync, --control and --real out, or name another system's checkpoint"
        )
    clips = clips_of_split(args, system, console)
    return sync_figures(Expert(system, pretrained.params, pretrained.digest), clips)


def _on_real(args, engines, several, console: Console):
    """Return the figures on real people, silence and noise, the curves of three people, and a
    description, if folders are given.
    """
    if not args.real or "real" not in args.metrics or args.control:
        return {}, [], {}
    from ksdiff_jax.cli.evaluate_real import measure_real
    from ksdiff_jax.evaluate.rest import rest
    from ksdiff_jax.face import builtin_face, check_face

    for engine in engines:
        check_face(builtin_face(), engine.space.name, what="--metrics real")
    seeds = range(args.seed, args.seed + args.real_seeds)
    figures, curves, about = measure_real(
        args.real, list(zip(engines, several, strict=True)), seeds=seeds, console=console
    )
    for folder in args.real:
        figures |= rest(engines[0], folder, seed=args.seed)
    return figures, curves, about


def _print(console: Console, figures: dict[str, float], about: dict, out: Path | None) -> None:
    from ksdiff_jax.evaluate import report

    for line in (*report.table(report.rows(figures)).splitlines(), ""):
        console.say(line)
    machine = about["machine"]
    console.say(
        f"measured in {about['measured_in_s']} s on {machine['processor']}, {machine['cores']} "
        f"cores, {machine['device']}, Python {machine['python']}, jax {machine['jax']}"
    )
    if out:
        console.say(f"metrics.json and plots are in {out}")
    console.result(report.as_json(figures, about))
