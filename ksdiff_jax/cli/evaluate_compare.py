"""The part of `ksdiff-jax evaluate` that compares checkpoints and baselines."""

import argparse
import functools
from pathlib import Path
from typing import TYPE_CHECKING

from ksdiff_jax.cli.console import Console
from ksdiff_jax.cli.evaluate_clips import training_clips
from ksdiff_jax.cli.evaluate_measure import Instruments, Run
from ksdiff_jax.errors import InputError
from ksdiff_jax.outputs import writing

if TYPE_CHECKING:  # slow to import
    from ksdiff_jax.data.schema import Clip
    from ksdiff_jax.evaluate.comparison import Comparison

TABLES = ("comparison.md", "comparison.csv")
PICTURES = ("distributions", "courses", "spectra")
PURPOSE = "comparison"


def picture_names(datas: int) -> list[str]:
    """Return the names of the pictures of so many data sets: those of the second end in -2."""
    endings = ["", *(f"-{number}" for number in range(2, datas + 1))]
    return [f"{name}{ending}.png" for ending in endings for name in PICTURES]


def compare_runs(
    args: argparse.Namespace,
    runs: list[Run],
    clips: "list[Clip]",
    *,
    data: str | None,
    using: Instruments,
    console: Console,
) -> "Comparison":
    """Return the comparison of the checkpoints on the clips of one data set, the folder `data` or
    the built-in corpus, with the baselines.
    """
    from ksdiff_jax.cli.evaluate_real import Steps
    from ksdiff_jax.evaluate.comparison import compare, sync_lines
    from ksdiff_jax.evaluate.reference_motions import unfitted_motions

    step = Steps(console)
    own = argparse.Namespace(**vars(args) | {"data": data})
    baselines = unfitted_motions(clips) | _fitted(own, runs[0], clips, using, console)
    samples = {run.trained.label: [each.motion for each in run.predictions] for run in runs}
    samples |= {name: [motion[None] for motion in series] for name, series in baselines.items()}
    found = compare(
        clips,
        samples,
        groups=[group for group in args.metrics if group != "real"],
        face=using.face,
        points=using.points,
        progress=functools.partial(step, f"{runs[0].data}: motions scored"),
    )
    if using.expert is not None:
        found.lines.extend(sync_lines(using.expert, clips, samples))
        of_model = {k: v for k, v in runs[0].figures.items() if _is_of_sync_model(k)}
        found = found._replace(sync=of_model)
    elif "sync" in args.metrics:
        found.left_out["sync confidence"] = "needs a lip-sync model (--sync DIR)"
    return found


def _is_of_sync_model(figure: str) -> bool:
    """Return whether a figure is the lip-sync model's own, the same for every checkpoint."""
    own = ("sync_accuracy", "sync_chance", "sync_clips", "sync_held_out")
    return figure.startswith(own) and not figure.endswith("_predicted")


def _fitted(own, run: Run, clips, using: Instruments, console: Console) -> dict[str, list]:
    """Return the baselines that are fitted to the training split, if there is one."""
    from ksdiff_jax.cli.evaluate_real import Steps
    from ksdiff_jax.evaluate.reference_motions import FITTED, fitted_motions

    names = ", ".join(FITTED)
    if own.training_clips == 0:
        return {}
    if own.split == "train":
        console.warn(f"--split train: the baselines {names} are left out, they are fitted to it")
        return {}
    try:
        training = training_clips(own, run.trained.engine.system, console)
    except InputError as error:
        console.warn(f"the baselines {names} are left out: {error}")
        return {}
    return fitted_motions(clips, training, face=using.face, progress=Steps(console))


def write_comparison(args: argparse.Namespace, found: "dict[str, Comparison]", out: Path) -> None:
    """Write the tables of all data sets."""
    from ksdiff_jax.evaluate.comparison_table import csv_text, markdown, marked

    texts = [
        markdown(each, title=title_of_data(args, each, data), predictors=list(each.courses))
        for data, each in found.items()
    ]
    contents = {"comparison.md": marked("\n".join(texts)), "comparison.csv": csv_text(found)}
    for name, text in contents.items():
        with writing(out / name, PURPOSE, overwrite=args.overwrite) as temporary:
            temporary.write_text(text, encoding="utf-8")


def title_of_data(args: argparse.Namespace, found: "Comparison", data: str) -> str:
    """Return the heading of a table."""
    clips = len(next(iter(found.courses.values())))
    return f"{data}, {args.split}: {clips} clips, samples of each: {args.samples}"


def draw_comparison(
    args: argparse.Namespace,
    found: "dict[str, Comparison]",
    runs: list[Run],
    clips: "dict[str, list[Clip]]",
    out: Path,
) -> None:
    """Draw the pictures of every data set."""
    from ksdiff_jax.evaluate import comparison_plots as plots

    names = iter(picture_names(len(found)))
    for data, each in found.items():
        title = title_of_data(args, each, data)
        options = {"title": title, "overwrite": args.overwrite}
        distributions, courses, spectra = (out / next(names) for _ in PICTURES)
        if each.lines:
            plots.plot_distributions(distributions, each, **options)
        shown = {}
        for run in runs:
            if run.data == data:
                shown |= _best_and_worst(run, each, clips[data])
        if shown:
            plots.plot_courses(courses, shown, **options)
        plots.plot_spectra(spectra, each.courses, **options)


def _best_and_worst(run: Run, found: "Comparison", clips: "list[Clip]") -> dict[str, tuple]:
    """Return the courses (predicted, true) of the best and of the worst clip, by title."""
    from ksdiff_jax.evaluate.comparison import best_and_worst
    from ksdiff_jax.evaluate.reference_motions import TRUTH

    label = run.trained.label
    order = best_and_worst(found, label)
    shown = {}
    for which, number in (("best", order[-1:]), ("worst", order[:1] if len(order) > 1 else [])):
        for place in number:
            clip = clips[place]
            title = f"{label}, {which}: {clip.clip_id}: {clip.transcript[:60]}"
            shown[title] = (found.courses[label][place], found.courses[TRUTH][place])
    return shown
