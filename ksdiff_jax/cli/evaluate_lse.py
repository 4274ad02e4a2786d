"""The part of `ksdiff-jax evaluate` that measures LSE-C and LSE-D, or states why their columns are
empty.
"""

import argparse
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ksdiff_jax.cli.console import Console
from ksdiff_jax.errors import InputError

if TYPE_CHECKING:  # slow to import
    from ksdiff_jax.cli.evaluate_measure import Run
    from ksdiff_jax.data.schema import Clip
    from ksdiff_jax.evaluate.comparison import Comparison
    from ksdiff_jax.evaluate.lse import LipSync
    from ksdiff_jax.face import FaceModel
    from ksdiff_jax.speech.converted_network import ConvertedNetwork

GROUP = "lse"
COLUMNS = ("LSE-C", "LSE-D")


def add_syncnet_argument(add: Callable[..., argparse.Action]) -> None:
    """Add the option that names the weights of SyncNet."""
    add(
        "--syncnet",
        metavar="DIR",
        help="weights of SyncNet from `ksdiff-jax convert syncnet`, for LSE-C and LSE-D of the "
        "motion and of the truth, both drawn, and of the videos of --real (about 0.3 s a frame on "
        "one core); without them the columns are empty",
    )


def check_lse(args: argparse.Namespace) -> None:
    """Raise `InputError` if --syncnet is given and not used, or needed and not given."""
    from ksdiff_jax.models.syncnet.folder import NEEDED, REMEDY, load_syncnet

    if args.syncnet and GROUP not in args.metrics:
        raise InputError(
            f"--syncnet {args.syncnet}: --metrics leaves out the group {GROUP}; add it, or omit "
            "--syncnet"
        )
    if args.syncnet:
        load_syncnet(args.syncnet)  # refused before the clips are made
    if args.metrics == [GROUP] and not args.syncnet:
        raise InputError(
            f"--metrics {GROUP}: needs {NEEDED}; {REMEDY}, and name the folder with --syncnet"
        )


class LseTool(NamedTuple):
    """What the figures are measured with, or why there are none."""

    syncnet: "ConvertedNetwork | None"
    face: "FaceModel | None"
    empty: dict[str, str]  # by column: the reason why it is empty

    def reason(self) -> str:
        """Return which columns are empty, and why, in a line."""
        return f"{', '.join(self.empty)}: left empty, {next(iter(self.empty.values()))}"

    def about(self) -> dict[str, str]:
        """Return what identifies the figures in `metrics.json`: the weights and the pictures."""
        from ksdiff_jax.evaluate.face_crops import description

        if self.syncnet is None or self.face is None:
            return {}
        source = {name: getattr(self.syncnet, name) for name in ("source", "source_sha256")}
        return source | {"digest": self.syncnet.digest, "pictures": description(self.face)}


def lse_tool(args: argparse.Namespace, face: "FaceModel | None") -> LseTool:
    """Return the weights of --syncnet if they can be used, or the reason of empty columns."""
    from ksdiff_jax.models.syncnet.folder import NEEDED, load_syncnet

    if GROUP not in args.metrics:
        return LseTool(None, face, {})
    if not args.syncnet:
        return LseTool(None, face, dict.fromkeys(COLUMNS, f"need {NEEDED} (--syncnet)"))
    if face is None:
        reason = "need a face of the motion's space to draw it (--face)"
        return LseTool(None, face, dict.fromkeys(COLUMNS, reason))
    return LseTool(load_syncnet(args.syncnet), face, {})


def measure_lse(
    tool: LseTool, runs: "list[Run]", clips: "list[Clip]", *, console: Console
) -> "dict[str, list[LipSync]]":
    """Return the results of the truth and of the first sample of each checkpoint on one data set,
    and add the figures to the runs; empty without weights, and with weights that do not find the
    truth in step, which is printed.
    """
    from ksdiff_jax.cli.evaluate_real import Steps
    from ksdiff_jax.data.tally import motion_of_clip
    from ksdiff_jax.evaluate.lse import judged, lse_figures, useless
    from ksdiff_jax.evaluate.reference_motions import TRUTH

    if tool.syncnet is None:
        return {}
    step, found = Steps(console), {}
    motions = {TRUTH: [motion_of_clip(clip) for clip in clips]}
    motions |= {run.trained.label: [each.motion[0] for each in run.predictions] for run in runs}
    for name, series in motions.items():
        progress = functools.partial(step, f"{name}: frames through SyncNet")
        found[name] = judged(tool.syncnet.params, tool.face, clips, series, progress=progress)
    if reason := useless(found[TRUTH]):
        tool.empty.update(dict.fromkeys(COLUMNS, reason))
        console.say(tool.reason())
        return {}
    for run in runs:
        run.figures.update(lse_figures(found[run.trained.label], found[TRUTH]))
    return found


def measure_filmed(
    args: argparse.Namespace, tool: LseTool, *, console: Console
) -> tuple[dict[str, float], dict]:
    """Return the figures of the videos of --real and their description for `metrics.json`; both
    empty without weights or videos, and the figures with weights that do not find the videos in
    step, which is printed.
    """
    from ksdiff_jax.cli.evaluate_real import Steps
    from ksdiff_jax.data.tracking.tracker import Tracker
    from ksdiff_jax.evaluate.filmed_crops import DESCRIPTION
    from ksdiff_jax.evaluate.lse import useless
    from ksdiff_jax.evaluate.lse_filmed import filmed_figures, judged_videos, videos_of

    if tool.syncnet is None or not args.real:
        return {}, {}
    videos = videos_of(args.real)[: args.clips]
    progress = functools.partial(Steps(console), "filmed faces through SyncNet")
    with Tracker() as tracker:
        judged = judged_videos(tool.syncnet.params, videos, tracker, progress=progress)
    for line in judged.unusable:
        console.warn(f"not measured: {line}")
    about = {"pictures": DESCRIPTION, "videos": judged.names, "not_measured": judged.unusable}
    if not judged.results:
        reason = f"none of {len(videos)} videos shows one face for long enough"
    elif not (reason := useless(judged.results)):
        return filmed_figures(judged.results), about
    console.say(f"LSE-C, LSE-D of filmed faces: left empty, {reason}")
    return {}, about | {"empty": reason}


def add_to_comparison(
    comparison: "Comparison", tool: LseTool, found: "dict[str, list[LipSync]]"
) -> None:
    """Add the lines of the figures, undefined for other predictors, or the reason of none."""
    import numpy as np

    from ksdiff_jax.evaluate.comparison import Line
    from ksdiff_jax.evaluate.lse import LINES, UNDEFINED

    comparison.left_out.update(tool.empty)
    clips = len(next(iter(found.values()), ()))
    for metric, field in LINES if found else ():
        values = {
            name: np.array([getattr(r, field) for r in found.get(name, [UNDEFINED] * clips)])
            for name in comparison.courses
        }
        comparison.lines.append(Line(metric, values))
