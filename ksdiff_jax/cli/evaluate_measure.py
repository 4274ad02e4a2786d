"""The part of `ksdiff-jax evaluate` that measures checkpoints on clips of data sets."""

import argparse
import dataclasses
import functools
from typing import TYPE_CHECKING, NamedTuple

from ksdiff_jax.cli.console import Console
from ksdiff_jax.cli.evaluate_clips import clips_of_split
from ksdiff_jax.cli.evaluate_sampling import single_values
from ksdiff_jax.errors import InputError

if TYPE_CHECKING:  # slow to import
    from ksdiff_jax.animate.engine import Engine
    from ksdiff_jax.data.schema import Clip
    from ksdiff_jax.evaluate.face_points import FacePoints
    from ksdiff_jax.evaluate.prediction import Prediction
    from ksdiff_jax.evaluate.report import Curves
    from ksdiff_jax.face import FaceModel
    from ksdiff_jax.models.pretrained import Pretrained
    from ksdiff_jax.models.sync.expert import Expert

CURVES_SHOWN = 4
SHIPPED_SYNC = "sync"


class Trained(NamedTuple):
    """A checkpoint of a system that generates motion."""

    label: str  # short, different from that of every other checkpoint of the call
    name: str  # as given
    engine: "Engine"
    pretrained: "Pretrained"


class Instruments(NamedTuple):
    """What motion is measured with; None for what is not known or not given."""

    face: "FaceModel | None"
    points: "FacePoints | None"
    expert: "Expert | None"  # of lip sync


class Run(NamedTuple):
    """A checkpoint on a data set."""

    trained: Trained
    data: str
    figures: dict[str, float]
    curves: "list[Curves]"
    predictions: "list[Prediction]"


def trained_systems(args: argparse.Namespace, names: list[str], several: list) -> list[Trained]:
    """Return the checkpoints with the sampling options of the command line."""
    from ksdiff_jax.animate.engine import Engine
    from ksdiff_jax.models import build_system

    options = single_values(args)
    engines = []
    for each in several:
        if args.causal and not hasattr(each.config.sample, "causal"):
            raise InputError("--causal: the model has no causal mode; leave it out")
        engine = Engine(build_system(each.config, each.space), each.params)
        engines.append(engine.with_options(steps=args.steps, **options))
    labels = distinct_labels(names)
    return [Trained(*each) for each in zip(labels, names, engines, several, strict=True)]


def distinct_labels(names: list[str]) -> list[str]:
    """Return the last part of every name, or as much of its end as makes it different."""
    parts = [[part for part in name.replace("\\", "/").split("/") if part] for name in names]
    for count in range(1, max(map(len, parts)) + 1):
        labels = ["/".join(each[-count:]) for each in parts]
        if len(set(labels)) == len(labels):
            return labels
    return [f"{'/'.join(each)} ({number})" for number, each in enumerate(parts, start=1)]


def clips_of_data(
    args: argparse.Namespace, trained: list[Trained], console: Console
) -> "dict[str, list[Clip]]":
    """Return the clips of every data set; raise `InputError` before any work if a checkpoint does
    not fit the motion space of one of them.
    """
    found = {}
    for label, data in zip(labels_of_data(args), args.datas, strict=True):
        for each in trained:
            own = argparse.Namespace(**vars(args) | {"data": data, "checkpoint": each.name})
            quiet = console if each is trained[0] else Console("evaluate", quiet=True)
            found[label] = clips_of_split(own, each.engine.system, quiet)
        silent = sum(not clip.phonemes for clip in found[label])
        if silent and "lips" in args.metrics:
            console.say(
                f"{silent} of these clips have no times of phones (no transcript): closures of "
                "/p b m/ are measured on the others"
            )
    return found


def labels_of_data(args: argparse.Namespace) -> list[str]:
    """Return a short name of every data set."""
    return distinct_labels([data or "built-in corpus" for data in args.datas])


def instruments(args: argparse.Namespace, space: str, console: Console) -> Instruments:
    """Return the face of --face or the built-in head with its landmarks, and the lip-sync model of
    --sync. There is no face for another space without --face, which is printed.
    """
    from ksdiff_jax.evaluate.face_points import builtin_points, landmark_points
    from ksdiff_jax.face import builtin_face, check_face, load_face
    from ksdiff_jax.face.landmarks import read_landmarks
    from ksdiff_jax.models.sync.expert import load_expert

    if "sync" in args.metrics and not args.control and space == builtin_face().space:
        args.sync = args.sync or SHIPPED_SYNC
    expert = load_expert(args.sync, space=space) if args.sync else None
    if args.face:
        face = load_face(args.face)
        check_face(face, space, what=f"--face {args.face}")
        if not args.landmarks:
            console.warn(
                f"--face {args.face}: without --landmarks FILE the mouth's landmarks and blinks "
                "are not measured"
            )
            return Instruments(face, None, expert)
        points = landmark_points(face, read_landmarks(args.landmarks, face))
        return Instruments(face, points, expert)
    if builtin_face().space == space:
        return Instruments(builtin_face(), builtin_points(), expert)
    console.warn(
        f"motion of the {space} space and no --face FILE of it: figures of lips, lids and upper "
        "face are left out"
    )
    return Instruments(None, None, expert)


def usable_groups(args: argparse.Namespace, using: Instruments, console: Console) -> list[str]:
    """Return the groups of --metrics that can be scored with this face and what is installed; those
    that cannot are named.
    """
    from ksdiff_jax.audio.compiled_librosa import librosa_module
    from ksdiff_jax.evaluate.scores import FACE_GROUPS, POINT_GROUPS

    groups = [group for group in args.metrics if group != "real"]
    if "beats" in groups:
        try:
            librosa_module("onset")
        except ImportError as error:
            console.warn(f"--metrics beats: left out, librosa cannot be imported ({error})")
            groups.remove("beats")
    without = (
        (*FACE_GROUPS, "rest")
        if using.face is None
        else POINT_GROUPS
        if using.points is None
        else ()
    )
    return [group for group in groups if group not in without]


def measure_run(
    args: argparse.Namespace,
    trained: Trained,
    data: str,
    clips: "list[Clip]",
    *,
    using: Instruments,
    console: Console,
) -> Run:
    """Return the figures and a few curves of a checkpoint on the clips of a data set."""
    from ksdiff_jax.evaluate.head_change import head_change
    from ksdiff_jax.evaluate.rest import synthetic_rest
    from ksdiff_jax.evaluate.run import keyframe_settings
    from ksdiff_jax.evaluate.scores import score
    from ksdiff_jax.evaluate.sync import sync_figures

    predictions = _predictions(args, trained, clips, console)
    groups = usable_groups(args, using, console)
    figures = score(
        clips,
        predictions,
        face=using.face,
        points=using.points,
        groups=groups,
        keyframe_config=keyframe_settings(trained.engine.system.config),
    )
    if using.expert is not None:
        first = [each.motion[0] for each in predictions]
        figures |= sync_figures(using.expert, clips, first)
    if "rest" in groups and not args.control:
        figures |= synthetic_rest(trained.engine, seed=args.seed, face=using.face)
    if "head" in groups and not args.control:
        figures |= head_change(trained.engine, clips, seed=args.seed)
    return Run(trained, data, figures, _curves(clips, predictions, using), predictions)


def about_run(run: Run) -> dict:
    """Return what identifies a run in `metrics.json`."""
    return {
        "checkpoint": {"name": run.trained.name, "digest": run.trained.pretrained.digest},
        "data": run.data,
        "options": dataclasses.asdict(run.trained.engine.system.config.sample),
    }


def _predictions(args, trained: Trained, clips, console: Console) -> "list[Prediction]":
    import numpy as np

    from ksdiff_jax.cli.evaluate_real import Steps
    from ksdiff_jax.evaluate import run as evaluation

    engine = trained.engine
    if args.control == "truth":
        settings = evaluation.keyframe_settings(engine.system.config)
        return evaluation.true_predictions(clips, keyframe_config=settings)
    if args.control == "still":
        return evaluation.still_predictions(clips, pose=np.asarray(engine.space.mean))
    step = Steps(console)
    return evaluation.predict_clips(
        engine,
        clips,
        seed=args.seed,
        samples=args.samples,
        read=functools.partial(step, f"{trained.label}: clips read"),
        progress=functools.partial(step, f"{trained.label}: motion frames sampled"),
    )


def _curves(clips, predictions, using: Instruments) -> "list[Curves]":
    from ksdiff_jax.data.tally import motion_of_clip
    from ksdiff_jax.evaluate.articulation import articulate, face_part
    from ksdiff_jax.evaluate.report import Curves
    from ksdiff_jax.face import face_height

    if using.face is None:
        return []
    part, height = face_part(using.face), face_height(using.face)
    return [
        Curves(
            f"{clip.clip_id}: {clip.transcript[:90]}",
            articulate(part, prediction.motion[0]).opening / height,
            articulate(part, motion_of_clip(clip)).opening / height,
        )
        for clip, prediction in list(zip(clips, predictions, strict=True))[:CURVES_SHOWN]
    ]
