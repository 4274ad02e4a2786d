"""`ksdiff-jax ablate CONFIG --seeds S`: trains and scores the rows of the paper's ablations.

Every row has the same clips, steps and rates, and each of its runs a process of its own. The same
command continues a study that was stopped in any way: finished runs stay, a run that was stopped
resumes from its last checkpoint.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ksdiff_jax.cli.ablate_folder import (
    Run,
    Study,
    alone,
    check_study,
    finished_runs,
    read_scores,
    write_study,
)
from ksdiff_jax.cli.console import Console, add_output_arguments
from ksdiff_jax.cli.device import PLATFORMS, use_device
from ksdiff_jax.cli.results_folder import results_folder
from ksdiff_jax.config import Config
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import default_config
from ksdiff_jax.overrides import field_names, load_config, override

SUMMARY = "train and score the rows of the paper's ablations, with intervals"
DOTTED_OVERRIDES = True
SPLIT = "test"
FEWEST = 2  # clips: the row "another clip's motion" needs another one
EXAMPLES = """examples:
  ksdiff-jax ablate ablation --seeds 3          Table 3 of KSDiff at the demo's width, on the CPU
  ksdiff-jax ablate ablation --seeds 1 --rows "w/o keyframe" "w/o prosody"
                                                some rows, and the full model
  ksdiff-jax ablate ablation --seeds 3 --jobs 2 --out study --train.steps 400
                                                two runs at once; any field, the same for all rows
  ksdiff-jax ablate paper --data.path SHARDS --seeds 3      one run on each GPU
  ksdiff-jax ablate disenttalk_demo --seeds 3   Table IV of DisentTalk

The same command continues a study that was stopped; --seeds and --rows may grow. A folder of
another configuration is refused. --out has table.md, table.csv, table.json and curves.png of the
runs that are finished, and a training run in runs/ for each. Exit status 1: a run failed.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `ablate`."""
    add = parser.add_argument
    add(
        "config",
        metavar="CONFIG",
        help="a .py file that defines config(), or a name, as for train; see `ablation`",
    )
    add(
        "--seeds",
        type=int,
        default=3,
        metavar="S",
        help="trainings of each row, with the seeds train.seed, train.seed + 1 ... (default: 3)",
    )
    add("--rows", nargs="+", metavar="ROW", help="rows beside the full model (default: all)")
    add(
        "--jobs",
        type=int,
        metavar="N",
        help="runs at once, each in a process with its share of the cores (default: one for each "
        "core, or for each GPU)",
    )
    add("--out", metavar="DIR", help="the study's folder (default: runs/<config name>-ablations)")
    add(
        "--data",
        metavar="DIR",
        help="a folder of shards whose split `test` is scored (default: that of the training data)",
    )
    add("--clips", type=int, metavar="N", help="score the first N clips (default: the whole split)")
    add("--samples", type=int, default=2, metavar="N", help="samples of each clip (default: 2)")
    add("--device", choices=tuple(PLATFORMS), help="where to compute (default: JAX's choice)")
    add_output_arguments(parser)
    parser.fields = sorted(
        {
            name
            for system in ("ksdiff", "disenttalk", "fd2talk_motion")
            for name in field_names(default_config(system))
        }
    )
    parser.epilog = EXAMPLES


def run(args: argparse.Namespace) -> int:
    """Make the study; return 0, 1 if a run failed, or 128 + the signal that stopped it."""
    from ksdiff_jax.cli.ablate_jobs import Stopped

    for name in ("seeds", "jobs", "clips", "samples"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise InputError(f"--{name} {getattr(args, name)}: need 1 or more")
    console = Console("ablate", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    config = override(load_config(args.config), args.overrides)
    rows = _rows(config, args.rows, console)
    folder = Path(args.out) if args.out else Path("runs") / f"{config.name}-ablations"
    if config.data.sources and not args.data:
        raise InputError("data.sources: name the clips that are scored with --data")
    data = args.data or config.data.path
    study = Study(folder, config, data, SPLIT, args.clips, args.samples, seed=0)
    check_study(study)
    use_device("cpu")  # this process trains nothing, and must not take the memory of a GPU
    with results_folder(folder):  # before the corpus is made
        clips = _clips(study, console)
    runs = [Run(row, config.train.seed + k) for k in range(args.seeds) for row in rows]
    with alone(folder, tell=console.warn) as lock:
        check_study(study)  # again, alone
        write_study(study)
        _beside(study, clips, console)
        try:
            return _make(study, runs, args, console=console, lock=lock and lock.fileno())
        except Stopped as stopped:
            console.fail("stopped; the same command continues the study")
            return 128 + stopped.number


def _rows(config: Config, wanted: Sequence[str] | None, console: Console) -> list[str]:
    """Return the rows of the study, the full model first."""
    from ksdiff_jax.evaluate.ablations import ablated, ablations_of, changes_nothing

    table = ablations_of(config).rows
    for row in wanted or ():
        ablated(config, row)  # raises InputError for an unknown row
    chosen = [row for row in table if not table[row] or row in (wanted or table)]
    same = {row: changes_nothing(config, row) for row in chosen if table[row]}
    for row, reason in same.items():
        if reason:
            console.say(f"{row}: left out, it is the full model here ({reason})")
    return [row for row in chosen if not same.get(row)]


def _clips(study: Study, console: Console) -> list:
    """Return the clips that are scored; the built-in corpus is made if it does not exist."""
    from ksdiff_jax.cli.ablate_run import clips_of

    clips = clips_of(study, tell=console.say)
    if len(clips) < FEWEST:
        raise InputError(
            f"{study.data or 'the built-in corpus'}: {len(clips)} clip of the split {study.split} "
            f"to score on, need {FEWEST} or more; name other data with --data, or give a larger "
            "--clips"
        )
    seconds = sum(clip.duration_s for clip in clips)
    console.say(f"scored on {len(clips)} clips, {seconds:.0f} s of speech")
    return clips


def _beside(study: Study, clips: list, console: Console) -> None:
    """Score the truth and another clip's motion, once; they do not train."""
    from ksdiff_jax.cli.ablate_folder import digest_of
    from ksdiff_jax.cli.ablate_run import figures_of, scores_document
    from ksdiff_jax.evaluate import run as evaluation
    from ksdiff_jax.files import write_json

    if read_scores(study.beside, clips_sha256=digest_of(clips)):
        return
    console.say("scoring the truth and another clip's motion ...")
    settings = evaluation.keyframe_settings(study.config)
    predictions = {
        "the truth": evaluation.true_predictions(clips, keyframe_config=settings),
        "another clip's motion": evaluation.swapped_predictions(clips, keyframe_config=settings),
    }
    rows = {name: figures_of(study, clips, each, settings) for name, each in predictions.items()}
    write_json(study.beside, scores_document(clips, rows))


def _make(study: Study, runs: list[Run], args, *, console: Console, lock: int | None) -> int:
    """Make the runs that are missing, and write the results after each one."""
    from ksdiff_jax.cli.ablate_jobs import Ended, Processes, find_slots, run_all
    from ksdiff_jax.cli.ablate_results import write_curves, write_tables
    from ksdiff_jax.train.report.progress import clock

    done = [run for run in runs if study.scores(run).exists()]
    missing = [run for run in runs if run not in done]
    failed: list[Ended] = []
    times: list[float] = []
    if done:
        console.say(f"{len(done)} of {len(runs)} runs are finished already")
    slots = find_slots(args.device, args.jobs, runs=len(missing)) if missing else []

    def finished(ended: Ended) -> None:
        if not study.scores(ended.run).exists():
            failed.append(ended)
            if ended.status == 2 and not done:  # what one refuses, the others would refuse
                raise InputError(ended.last_line.removeprefix("ksdiff-jax ablate: "))
            where = study.log(ended.run)
            console.fail(f"{ended.run.label}: ended with {_status(ended)}; see {where}")
            return
        done.append(ended.run)
        times.append(ended.seconds)
        left = len(runs) - len(done) - len(failed)
        left_s = sum(times) / len(times) * left / len(slots)
        rest = f", about {clock(left_s)} left" if left else ""
        took = clock(ended.seconds)
        console.say(f"{ended.run.label}: finished ({took}); {len(done)} of {len(runs)} runs{rest}")
        write_tables(study, finished_runs(study))

    if missing:
        console.say(f"{len(missing)} runs to make, {len(slots)} at once, in {study.folder}")
        processes = Processes(study, device=args.device, lock=lock)
        run_all(processes, missing, slots, tell=console.say, finished=finished)
    if not done:
        return 1
    every = finished_runs(study)  # also of rows and seeds that are not asked for now
    write_curves(study, every)
    for line in ("", *write_tables(study, every).splitlines()):
        console.say(line)
    console.say(f"{study.folder} has table.md, table.csv, table.json and curves.png")
    console.result(_document(study))
    return 1 if failed else 0


def _document(study: Study) -> dict:
    import json

    return json.loads((study.folder / "table.json").read_text(encoding="utf-8"))


def _status(ended) -> str:
    import signal

    if ended.status < 0:
        return signal.Signals(-ended.status).name
    return f"status {ended.status} ({ended.last_line[:200]})"
