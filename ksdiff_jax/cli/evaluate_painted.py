"""The part of `ksdiff-jax evaluate` that measures systems that make pictures: FD2Talk's frames
stage, and its autoencoder.

The data have pictures. Baselines and the regressors of the opening are fitted to their training
split, or to the first clips of it with --training-clips.
"""

import argparse
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ksdiff_jax.cli.console import Console
from ksdiff_jax.cli.evaluate_arguments import METRICS, REAL_SEEDS, SAMPLES
from ksdiff_jax.cli.evaluate_clips import clips_of_split, training_folder
from ksdiff_jax.cli.evaluate_compare import PURPOSE
from ksdiff_jax.cli.evaluate_measure import distinct_labels, labels_of_data
from ksdiff_jax.errors import InputError
from ksdiff_jax.outputs import check_output, write_document, writing

if TYPE_CHECKING:  # slow to import
    from ksdiff_jax.evaluate.comparison import Comparison
    from ksdiff_jax.evaluate.frame_scores import Painter
    from ksdiff_jax.evaluate.intervals import Interval
    from ksdiff_jax.evaluate.painting_yardstick import Yardstick
    from ksdiff_jax.models.pretrained import Pretrained
    from ksdiff_jax.typing import PyTree

STRIP, STRIP_PURPOSE = "painted.png", "painted-strip"
BASELINES = ("copied", "linear", "difference")  # of painting_baselines.py
# Scores whose lead over the baselines is stated.
LEADS = ("psnr_face", "psnr_face_turned", "psnr_mouth", "psnr_mouth_turned", "opening_r")
PAINTING = ("steps", "sampler", "spacing", "guidance")
OF_MOTION = (
    *("real", "folds", "syncnet", "sync", "control", "samplers", "discriminate", "late", "face"),
    *("landmarks", "lip_temperature", "style", "head_guidance", "causal", "blinks", "videos"),
    *("choose_on_test", "encoder"),
)
WITH_DEFAULTS = {"metrics": list(METRICS), "samples": SAMPLES, "real_seeds": REAL_SEEDS}


def makes_pictures(system: object) -> bool:
    """Return whether a system makes pictures and no motion."""
    from ksdiff_jax.models.fd2talk.autoencoder.system import FD2TalkAutoencoder
    from ksdiff_jax.models.system import PaintingSystem

    return isinstance(system, FD2TalkAutoencoder | PaintingSystem)


def check_no_picture_weights(args: argparse.Namespace) -> None:
    """Raise `InputError` for weights of picture metrics with a checkpoint of motion."""
    for name in ("lpips", "inception"):
        if getattr(args, name):
            raise InputError(
                f"--{name} {getattr(args, name)}: of pictures, and --checkpoint {args.checkpoint} "
                "paints none; omit it, or name a frames checkpoint"
            )


def run_painted(
    args: argparse.Namespace,
    names: list[str],
    several: "list[Pretrained]",
    *,
    out: Path | None,
    console: Console,
) -> int:
    """Measure, print and write the scores of every checkpoint on every data set."""
    from ksdiff_jax.evaluate import report
    from ksdiff_jax.evaluate.comparison_table import as_json, plain

    started = time.perf_counter()
    _check(args, names, several)
    if out:
        check_output(out / STRIP, STRIP_PURPOSE, overwrite=args.overwrite)
    labels, found, leads = distinct_labels(names), {}, {}
    weights = _weights(args, console)
    for data, folder in zip(labels_of_data(args), args.datas, strict=True):
        own = argparse.Namespace(**vars(args) | {"data": folder})
        strip = out / STRIP if out and not found else None
        found[data] = _compared(own, labels, several, weights, strip=strip, console=console)
        leads[data] = _leads(found[data], labels)
        for line in (*plain(found[data], _title(args, data), systems=labels).splitlines(), ""):
            console.say(line)
        for line in (*_notes(found[data], leads[data]), ""):
            console.say(line)
        _warn_of_regressors(found[data], data, console)
    about = {
        "machine": report.machine(),
        "checkpoints": [
            {"name": name, "digest": each.digest} for name, each in zip(names, several, strict=True)
        ],
        "split": args.split,
        "seed": args.seed,
        "options": {name: getattr(args, name) for name in PAINTING},
        "comparison": {data: as_json(each) for data, each in found.items()},
        "leads": {data: _leads_json(each) for data, each in leads.items()},
        "measured_in_s": round(time.perf_counter() - started, 1),
    }
    document = report.as_json(_figures(next(iter(found.values())), labels[0]), about)
    if out:
        write_document(out / "metrics.json", document, overwrite=args.overwrite)
        _write_tables(args, found, leads, out)
        console.say(f"metrics.json, comparison.md, comparison.csv and {STRIP} are in {out}")
    console.result(document)
    return 0


def _check(args: argparse.Namespace, names: list[str], several: "list[Pretrained]") -> None:
    """Raise `InputError` for options of motion, and for checkpoints that make no pictures."""
    from ksdiff_jax.models import build_system
    from ksdiff_jax.models.system import PaintingSystem

    systems = [build_system(each.config, each.space) for each in several]
    for name, system in zip(names, systems, strict=True):
        if not makes_pictures(system):
            raise InputError(
                f"--checkpoint {name}: generates motion, and {names[0]} or another paints frames; "
                "measure them apart"
            )
    if not any(isinstance(system, PaintingSystem) for system in systems):
        for name in PAINTING:
            if getattr(args, name):
                raise InputError(
                    f"--{name}: of sampling, and {args.checkpoint} is an autoencoder, which "
                    "samples nothing; omit it"
                )
    used = [name for name in OF_MOTION if getattr(args, name) not in (None, False, [], "", 0)]
    used += [name for name, usual in WITH_DEFAULTS.items() if getattr(args, name) != usual]
    if used:
        raise InputError(
            f"--{used[0].replace('_', '-')}: of motion, and {args.checkpoint} makes pictures; "
            "omit it"
        )
    if len(args.guidance or ()) > 1:
        raise InputError("--guidance: got several, need one for a checkpoint that makes pictures")


def _weights(args: argparse.Namespace, console: Console) -> "dict[str, PyTree]":
    """Return the parameters of --lpips and --inception that can be used."""
    from ksdiff_jax.pictures.inception import load_inception, not_of_fid
    from ksdiff_jax.pictures.lpips import load_lpips, not_of_lpips

    found = {}
    for name, load, wrong in (
        ("lpips", load_lpips, not_of_lpips),
        ("inception", load_inception, not_of_fid),
    ):
        if folder := getattr(args, name):
            network = load(folder)
            if reason := wrong(network):
                console.warn(f"--{name} {folder}: left out, {reason}")
            else:
                found[name] = network.params
    return found


def _compared(
    args: argparse.Namespace,
    labels: list[str],
    several: "list[Pretrained]",
    weights: "dict[str, PyTree]",
    *,
    strip: Path | None,
    console: Console,
) -> "Comparison":
    """Return the scores of the checkpoints and of the baselines on one data set, and draw the strip
    of the clip whose face the first checkpoint paints at the median PSNR.
    """
    from ksdiff_jax.cli.evaluate_real import Steps
    from ksdiff_jax.evaluate.frame_scores import targets_of
    from ksdiff_jax.evaluate.painted_strip import write_painted_strip
    from ksdiff_jax.evaluate.picture_scores import Instruments, compare_painters
    from ksdiff_jax.models import build_system

    first = build_system(several[0].config, several[0].space)
    clips = clips_of_split(args, first, console)
    systems, fitted = _painters(args, labels, several), _fitted(args, first, console)
    painters, steps = systems | fitted.painters, Steps(console)
    found = compare_painters(
        painters,
        clips,
        Instruments(openings=fitted.openings, **weights),
        progress=lambda done: steps("clips painted and scored", done, len(clips)),
    )
    if strip:
        targets = targets_of(clips[_middle(found, labels[0])])
        shown = {name: paint(targets) for name, paint in systems.items()}
        write_painted_strip(strip, targets, shown, overwrite=args.overwrite)
    return found


def _painters(
    args: argparse.Namespace, labels: list[str], several: "list[Pretrained]"
) -> "dict[str, Painter]":
    """Return the checkpoints as painters, with the options of the command line, and the autoencoder
    of a frames stage.
    """
    from ksdiff_jax.animate.painter import painting_system
    from ksdiff_jax.evaluate.painted import decoder_of, painter_of
    from ksdiff_jax.models import build_system
    from ksdiff_jax.models.fd2talk.frames.first_stage import first_stage_of
    from ksdiff_jax.models.system import PaintingSystem

    options = {name: getattr(args, name) for name in ("steps", "sampler", "spacing")}
    options["guidance"] = args.guidance[0] if args.guidance else None
    painters = {}
    for label, each in zip(labels, several, strict=True):
        system = build_system(each.config, each.space)
        paints = isinstance(system, PaintingSystem)
        if paints:
            system = painting_system(each.config, each.space, **options)
        painters[label] = painter_of(system, each.params, seed=args.seed)
        if paints:
            stage = first_stage_of(each.config, each.params)
            painters[f"autoencoder of {label}"] = decoder_of(stage)
    return painters


def _middle(found: "Comparison", label: str) -> int:
    """Return the number of the clip whose painted face has the median PSNR."""
    import numpy as np

    from ksdiff_jax.evaluate.picture_scores import METRICS

    (line,) = [line for line in found.lines if line.metric.name == METRICS["psnr_face"].name]
    order = np.argsort(line.values[label])
    return int(order[len(order) // 2])


def _fitted(args: argparse.Namespace, system, console: Console) -> "Yardstick":
    """Return the baselines and the regressors of the opening; the copy alone without training
    clips, which is printed.
    """
    from ksdiff_jax.data.shards import ShardReader, dataset_info
    from ksdiff_jax.evaluate.painting_baselines import copied
    from ksdiff_jax.evaluate.painting_yardstick import SEEDS, Yardstick, name_in_cache, yardstick
    from ksdiff_jax.face import builtin_face

    alone, wanted = Yardstick({"copied": copied}, ()), args.training_clips
    if wanted == 0:
        return alone
    left_out = "the linear baselines and the opening read from pixels are left out"
    if args.split == "train":
        console.warn(f"--split train: {left_out}, they are fitted to it")
        return alone
    space = system.space.name
    try:
        folder = training_folder(args, system, console)
        train = ShardReader(folder, "train", space=space)
        if wanted is not None:
            train = [train[k] for k in range(min(wanted, len(train)))]
        has_own = "val" in dataset_info(folder).splits and args.split != "val"
        validation = ShardReader(folder, "val", space=space) if has_own else ()
        return yardstick(
            train,
            validation,
            kept_as=name_in_cache(folder, wanted),
            seeds=SEEDS if space == builtin_face().space else (),
            tell=console.say,
        )
    except InputError as error:
        console.warn(f"{left_out}: {error}")
        return alone


def _warn_of_regressors(found: "Comparison", data: str, console: Console) -> None:
    """Print a warning if the regressors do not read the true frames."""
    from ksdiff_jax.evaluate.painting_yardstick import NEEDED_R
    from ksdiff_jax.evaluate.picture_scores import METRICS, TRUTH

    for line in found.lines:
        if line.metric.name == METRICS["opening_r"].name:
            read = line.interval(TRUTH).mean
            if not read >= NEEDED_R:
                console.warn(
                    f"{data}: the regressors read the true frames with r = {read:.2f}, need "
                    f"{NEEDED_R} or more: opening r does not hold here"
                )


def _figures(found: "Comparison", label: str) -> dict[str, float]:
    """Return the figures of a checkpoint with their bounds."""
    from ksdiff_jax.evaluate.intervals import bounded
    from ksdiff_jax.evaluate.picture_scores import METRICS

    keys = {metric.name: key for key, metric in METRICS.items()}
    figures: dict[str, float] = {}
    for line in found.lines:
        figures |= bounded(keys[line.metric.name], line.interval(label))
    return figures


def _leads(found: "Comparison", labels: list[str]) -> "dict[tuple[str, str, str], Interval]":
    """Return by checkpoint, metric and baseline the interval of the lead, clip by clip."""
    from ksdiff_jax.evaluate.frame_scores import above
    from ksdiff_jax.evaluate.picture_scores import METRICS

    names = [METRICS[key].name for key in LEADS]
    lines = {line.metric.name: line for line in found.lines if line.metric.name in names}
    leads = {}
    for label in labels:
        baselines = [name for name in BASELINES if name in found.courses]
        for name, line in lines.items():
            scores = {predictor: {name: values} for predictor, values in line.values.items()}
            for baseline, lead in above(scores, label, baselines, name).items():
                leads[label, name, baseline] = lead
    return leads


def _notes(found: "Comparison", leads: "dict[tuple[str, str, str], Interval]") -> list[str]:
    """Return the leads, one a line, or why there are no intervals."""
    from ksdiff_jax.evaluate.intervals import FEWEST_CLIPS
    from ksdiff_jax.evaluate.picture_scores import TRUTH

    count = max((line.interval(TRUTH).count for line in found.lines), default=0)
    if count < FEWEST_CLIPS:
        clips = "one clip" if count == 1 else f"{count} clips"
        return [f"{clips}, no interval: that needs {FEWEST_CLIPS} clips or more"]
    return [
        f"{label}, {metric}: above {baseline} by {lead.mean:.3g} [{lead.low:.3g}, {lead.high:.3g}]"
        for (label, metric, baseline), lead in leads.items()
        if lead.count >= FEWEST_CLIPS
    ]


def _leads_json(leads: "dict[tuple[str, str, str], Interval]") -> list[dict]:
    return [
        {"checkpoint": label, "metric": metric, "above": baseline, "clips": lead.count}
        | {
            name: value if math.isfinite(value := float(getattr(lead, name))) else None
            for name in ("mean", "low", "high")
        }
        for (label, metric, baseline), lead in leads.items()
    ]


def _title(args: argparse.Namespace, data: str) -> str:
    return f"{data}, {args.split}: frames with a reference, the first frame of each clip"


def _write_tables(args, found: "dict[str, Comparison]", leads: dict, out: Path) -> None:
    """Write the tables of all data sets as Markdown and CSV."""
    from ksdiff_jax.evaluate.comparison_table import csv_text, markdown, marked

    parts = []
    for data, each in found.items():
        parts.append(markdown(each, title=_title(args, data), predictors=list(each.courses)))
        parts.extend(f"- {line}" for line in _notes(each, leads[data]))
    contents = {"comparison.md": marked("\n".join([*parts, ""])), "comparison.csv": csv_text(found)}
    for name, text in contents.items():
        with writing(out / name, PURPOSE, overwrite=args.overwrite) as temporary:
            temporary.write_text(text, encoding="utf-8")
