"""`ksdiff-jax evaluate`: measures checkpoints, beside baselines, and writes tables and plots.

Without `--data`, espeak-ng synthesises the test split of the built-in corpus into the user's cache.
Its voices and sentences do not occur in the training data.
"""

import argparse
import contextlib
import dataclasses
import time
from pathlib import Path

from ksdiff_jax.cli.console import Console, add_output_arguments, add_overwrite_argument
from ksdiff_jax.cli.device import PLATFORMS, keep_compilations, use_device
from ksdiff_jax.cli.evaluate_arguments import (
    TRAINING_CLIPS,
    add_checkpoint,
    add_data,
    add_figures_and_sampling,
)
from ksdiff_jax.cli.evaluate_checks import check_options, check_out
from ksdiff_jax.cli.evaluate_clips import clips_of_split
from ksdiff_jax.cli.evaluate_compare import compare_runs, draw_comparison, write_comparison
from ksdiff_jax.cli.evaluate_discriminate import run_discrimination
from ksdiff_jax.cli.evaluate_lse import add_to_comparison, lse_tool, measure_filmed, measure_lse
from ksdiff_jax.cli.evaluate_measure import (
    about_run,
    clips_of_data,
    instruments,
    labels_of_data,
    measure_run,
    trained_systems,
)
from ksdiff_jax.cli.evaluate_painted import (
    check_no_picture_weights,
    makes_pictures,
    run_painted,
)
from ksdiff_jax.cli.evaluate_samplers import run_samplers, use_one_value
from ksdiff_jax.cli.evaluate_sampling import is_table, run_table
from ksdiff_jax.cli.evaluate_videos import write_videos
from ksdiff_jax.cli.results_folder import results_folder
from ksdiff_jax.errors import InputError
from ksdiff_jax.outputs import write_document

SUMMARY = "measure checkpoints beside baselines: lips, blinks, keyframes, head, real speech"
EXAMPLES = """examples:
  ksdiff-jax evaluate --out figures
  ksdiff-jax evaluate --checkpoint runs/demo --data shards --metrics lips keyframes
  ksdiff-jax evaluate --checkpoint runs/a runs/b demo --data shards corpus --out figures
                                            several checkpoints and data sets in one table
  ksdiff-jax evaluate --clips 20 --videos 3 --out figures    truth and prediction side by side
  ksdiff-jax evaluate --checkpoint runs/flame --data shards --face FLAME.npz
  ksdiff-jax evaluate --checkpoint runs/live --causal    as live speech would be animated
  ksdiff-jax evaluate --metrics real --real faces --out figures    real people, with baselines
  ksdiff-jax evaluate --metrics real --real faces --folds runs/a runs/b    people held out
  ksdiff-jax evaluate --guidance 1 1.5 2 3 --lip-temperature 0 0.5 1 --clips 16 --out figures
                                            a table of sampling options, on the validation split
  ksdiff-jax evaluate --samplers ddim dpm++2m unipc --steps 4 6 8 10 --samples 5 --out figures
                                            which sampler with few steps equals 50 steps of DDIM?
  ksdiff-jax evaluate --metrics real --real faces --head-guidance 3 --blinks drawn
  ksdiff-jax evaluate --discriminate --sync sync --out figures
                                            which metrics know true motion from wrong motion?
  ksdiff-jax evaluate --discriminate --late 4    and if the true motion is 160 ms late?
  ksdiff-jax evaluate --sync sync           is the motion in step with the speech?
  ksdiff-jax evaluate --metrics lse --syncnet syncnet --clips 20  LSE-C, LSE-D (--real DIR: videos)
  ksdiff-jax evaluate --checkpoint runs/frames --data heads --out figures
                                            a system that paints frames: unseen people, baselines
  ksdiff-jax evaluate --checkpoint runs/frames --data faces --lpips lpips --inception inception
                                            LPIPS, flicker and FID, too
  ksdiff-jax evaluate --checkpoint sync     a lip-sync model: does it tell true from shifted?
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = EXAMPLES
    add_checkpoint(parser.add_argument)
    add_data(parser.add_argument)
    add_figures_and_sampling(parser.add_argument)
    parser.add_argument(
        "--device", choices=tuple(PLATFORMS), help="where to compute (default: JAX's choice)"
    )
    parser.add_argument(
        "--out", metavar="DIR", help="write metrics.json, comparison.md, comparison.csv, plots here"
    )
    parser.add_argument(
        "--videos",
        type=int,
        metavar="N",
        help="with --out: videos of N clips from the worst to the best, with sound, the truth at "
        "the left and each checkpoint beside it",
    )
    add_overwrite_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Check the options, measure, print and write the figures."""
    for name in ("clips", "samples", "real_seeds", "videos"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            option = name.replace("_", "-")
            raise InputError(f"--{option} {getattr(args, name)}: need 1 or more")
    use_one_value(args)
    args.split = args.split or ("val" if args.samplers or is_table(args) else "test")
    args.checkpoints, args.datas = args.checkpoint, args.data or [None]
    args.checkpoint, args.data = " ".join(args.checkpoint or ()), args.datas[0]
    check_options(args)
    from ksdiff_jax.animate.keys import check_seed
    from ksdiff_jax.models import build_system
    from ksdiff_jax.models.fd2talk.frames.first_stage import with_autoencoder_at
    from ksdiff_jax.models.pretrained import DEFAULT_NAME, load_pretrained

    names = args.folds or args.checkpoints or [DEFAULT_NAME]
    args.checkpoint = names[0]

    console = Console("evaluate", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    use_device(args.device)
    keep_compilations()
    check_out(args, names)
    check_seed(args.seed)
    several = [load_pretrained(name, encoder=args.encoder, space=args.space) for name in names]
    several = [with_autoencoder_at(each, args.autoencoder) for each in several]
    system = build_system(several[0].config, several[0].space)
    painted = any(makes_pictures(build_system(each.config, each.space)) for each in several)
    if not painted:
        check_no_picture_weights(args)
        args.training_clips = TRAINING_CLIPS if args.training_clips is None else args.training_clips
    with results_folder(args.out) if args.out else contextlib.nullcontext() as out:
        if painted:
            return run_painted(args, names, several, out=out, console=console)
        if args.discriminate or args.samplers or is_table(args):
            clips = clips_of_split(args, system, console)
        if args.discriminate:
            return run_discrimination(args, system, clips, out=out, console=console)
        if args.samplers:
            return run_samplers(args, system, several[0], clips, out=out, console=console)
        if is_table(args):
            return run_table(args, system, several[0], clips, out=out, console=console)
        return _measure(args, names, several, out=out, console=console)


def _measure(args, names: list[str], several, *, out: Path | None, console: Console) -> int:
    """Measure, print and write the groups of figures."""
    from ksdiff_jax.evaluate import report
    from ksdiff_jax.models import build_system
    from ksdiff_jax.models.sync.system import Sync

    started = time.perf_counter()
    systems = [build_system(each.config, each.space) for each in several]
    found = Found()
    if any(isinstance(system, Sync) for system in systems):
        options = dataclasses.asdict(systems[0].config.sample)
        found.figures.append(_of_sync_model(args, systems[0], several, console))
    else:
        trained = trained_systems(args, names, several)
        options = dataclasses.asdict(trained[0].engine.system.config.sample)
        if args.sync or args.metrics != ["real"]:
            measure_on_data(args, trained, found, out=out, console=console)
        _on_real(args, trained, found, out=out, console=console)
    figures = found.figures[0] | found.real if found.figures else found.real
    about = {
        "machine": report.machine(),
        "checkpoint": {"name": names[0], "digest": several[0].digest},
        "folds": [
            {"name": n, "digest": each.digest} for n, each in zip(names, several, strict=True)
        ],
        "data": args.data or "built-in corpus",
        "split": args.split,
        "options": options,
        "sync": args.sync,
        "seed": args.seed,
        "samples": args.samples,
        "control": args.control,
        "measured_in_s": round(time.perf_counter() - started, 1),
        **found.about,
    }
    if out:
        write_document(
            out / "metrics.json", report.as_json(figures, about), overwrite=args.overwrite
        )
        curves = {args.split: found.curves, "real speech": found.real_curves}
        _plot(args, out, Path(names[0]).name, curves)
    _print(console, found, figures, about, out)
    return 0


@dataclasses.dataclass
class Found:
    """What was measured: figures of every checkpoint on every data set, and on real people."""

    figures: list[dict[str, float]] = dataclasses.field(default_factory=list)
    titles: list[str] = dataclasses.field(default_factory=list)
    curves: list = dataclasses.field(default_factory=list)
    real: dict[str, float] = dataclasses.field(default_factory=dict)
    real_curves: list = dataclasses.field(default_factory=list)
    tables: list[str] = dataclasses.field(default_factory=list)
    about: dict = dataclasses.field(default_factory=dict)


def measure_on_data(args, trained, found: Found, *, out: Path | None, console: Console) -> None:
    """Measure every checkpoint on every data set, compare them, and write the comparison."""
    from ksdiff_jax.evaluate.comparison_table import as_json, plain
    from ksdiff_jax.evaluate.report import as_json as figures_json

    clips = clips_of_data(args, trained, console)
    using = instruments(args, trained[0].engine.space.name, console)
    tool = lse_tool(args, using.face)
    found.about |= {"lse": tool.about(), "empty": tool.empty}
    found.real, filmed = measure_filmed(args, tool, console=console)
    if filmed:
        found.about["lse"] |= {"filmed": filmed}
    if args.control and tool.empty:
        console.say(tool.reason())
    comparisons, runs, videos = {}, [], []
    for data, folder in zip(labels_of_data(args), args.datas, strict=True):
        own = [
            measure_run(args, each, data, clips[data], using=using, console=console)
            for each in trained
        ]
        runs += own
        lse = measure_lse(tool, own, clips[data], console=console)
        if args.control or args.metrics == ["real"]:
            continue
        comparisons[data] = compare_runs(
            args, own, clips[data], data=folder, using=using, console=console
        )
        add_to_comparison(comparisons[data], tool, lse)
        if out and args.videos and not videos and using.face is not None:
            videos = write_videos(
                args, own, clips[data], comparisons[data], face=using.face, out=out, console=console
            )
    found.figures = [run.figures for run in runs]
    found.titles = [f"{run.trained.label} on {run.data}" for run in runs]
    found.curves = runs[0].curves
    labels = [each.label for each in trained]
    found.tables = [plain(each, data, systems=labels) for data, each in comparisons.items()]
    found.about["runs"] = [figures_json(run.figures, about_run(run)) for run in runs]
    found.about["comparison"] = {data: as_json(each) for data, each in comparisons.items()}
    found.about["videos"] = videos
    if out and comparisons:
        write_comparison(args, comparisons, out)
        draw_comparison(args, comparisons, runs, clips, out)


def _plot(args: argparse.Namespace, out: Path, name: str, curves: dict[str, list]) -> None:
    """Plot the mouth openings of the split and of the real people, as far as there are any."""
    from ksdiff_jax.evaluate import report

    for file, (shown_on, shown) in zip(("openings", "openings-real"), curves.items(), strict=True):
        if shown:
            title = f"mouth opening of {name}, {shown_on}"
            report.plot_openings(out / f"{file}.png", shown, title=title, overwrite=args.overwrite)


def _of_sync_model(args, system, several, console) -> dict[str, float]:
    """Return the accuracy of a lip-sync model, which generates no motion, on the split of a data
    set.
    """
    from ksdiff_jax.evaluate.sync import sync_figures
    from ksdiff_jax.models.sync.expert import expert_of

    if args.sync or args.control or args.real or len(several) > 1 or len(args.datas) > 1:
        raise InputError(
            f"--checkpoint {args.checkpoint}: a lip-sync model itself, which has no motion to "
            "measure; leave --sync, --control and --real out, name one checkpoint and one data "
            "set, or name another system's checkpoint"
        )
    clips = clips_of_split(args, system, console)
    return sync_figures(expert_of(several[0]), clips)


def _on_real(args, trained, found: Found, *, out: Path | None, console: Console) -> None:
    """Measure the checkpoints on real people, silence and noise, if folders are given: those of
    --folds together, or the first one.
    """
    if not args.real or "real" not in args.metrics or args.control:
        return
    from ksdiff_jax.cli.evaluate_real import curves_of_people, measure_real, write_strips
    from ksdiff_jax.evaluate.rest import rest
    from ksdiff_jax.face import builtin_face, check_face

    used = trained if args.folds else trained[:1]
    if len(used) < len(trained):
        console.say(f"real people: measured with {used[0].label} alone (--folds for several)")
    for each in used:
        check_face(builtin_face(), each.engine.space.name, what="--metrics real")
    seeds = range(args.seed, args.seed + args.real_seeds)
    pairs = [(each.engine, each.pretrained) for each in used]
    real, people, about = measure_real(args.real, pairs, seeds=seeds, console=console)
    found.real |= real
    found.real_curves = curves_of_people(people)
    if out:
        write_strips(people, out, overwrite=args.overwrite, console=console)
    for folder in args.real:
        found.real |= rest(used[0].engine, folder, seed=args.seed)
    found.about["real"] = about


def _print(console: Console, found: Found, figures: dict, about: dict, out: Path | None) -> None:
    from ksdiff_jax.evaluate import report

    shown = found.figures or [{}]
    for number, each in enumerate(shown):
        if len(shown) > 1:
            console.say(f"\n{found.titles[number]}")
        both = each | found.real if number == 0 else each
        for line in (*report.table(report.rows(both)).splitlines(), ""):
            console.say(line)
    for table in found.tables:
        for line in (*table.splitlines(), ""):
            console.say(line)
    machine = about["machine"]
    console.say(
        f"measured in {about['measured_in_s']} s on {machine['processor']}, {machine['cores']} "
        f"cores, {machine['device']}, Python {machine['python']}, jax {machine['jax']}"
    )
    if out:
        console.say(f"metrics.json, the tables and plots are in {out}")
    console.result(report.as_json(figures, about))
