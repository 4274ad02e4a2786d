"""`ksdiff-jax render MOTION... --out FILE`: motion files as a video, several side by side."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ksdiff_jax.cli.console import Console, add_output_arguments, add_overwrite_argument
from ksdiff_jax.cli.export import motion_stem, words_beside
from ksdiff_jax.cli.picture_arguments import add_picture_arguments, picture_options
from ksdiff_jax.cli.results_folder import results_folder
from ksdiff_jax.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from ksdiff_jax.animate.motion import Motion

SUMMARY = "motion files as a video: views, looks, several motions side by side, transparent"
ENDINGS = (".mp4", ".mov", ".webm")
EXAMPLES = """examples:
  ksdiff-jax render out/talk.motion.npz --out talk.mp4 --audio talk.wav --size 1280x720
  ksdiff-jax render out/talk.motion.npz --out talk.mp4 --view front three-quarter side --look clay
  ksdiff-jax render out/a.motion.npz out/b.motion.npz --out ab.mp4 --labels ours theirs
  ksdiff-jax render out/talk.motion.npz --out talk.webm --transparent
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: motion files, video, and how the face is drawn."""
    parser.epilog = EXAMPLES
    parser.add_argument("motion", nargs="+", metavar="MOTION", help="a .motion.npz file")
    parser.add_argument(
        "--out",
        required=True,
        metavar="FILE",
        help="the video: .mp4 (H.264), .mov (ProRes 4444) or .webm (VP9)",
    )
    parser.add_argument("--audio", metavar="FILE", help="the recording; default: no sound")
    parser.add_argument(
        "--labels",
        nargs="*",
        metavar="TEXT",
        help="a label above each motion; default: the names of several files, none for one",
    )
    add_picture_arguments(parser)
    parser.add_argument(
        "--transparent",
        action="store_true",
        help="no background, for .mov and .webm",
    )
    parser.add_argument(
        "--tongue",
        action="store_true",
        help="move the tongue of the built-in head, by the phones that animate wrote beside the "
        "motion, otherwise by visemes that are read from the motion",
    )
    parser.add_argument(
        "--face",
        metavar="FILE",
        help="the face that the coefficients are of, for motions of the flame space; default: the "
        "built-in head",
    )
    parser.add_argument(
        "--space",
        default="",
        metavar="NAME",
        help="motion space of a file of an earlier version that does not name it",
    )
    add_overwrite_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Write the video."""
    console = Console("render", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    out, options = Path(args.out), picture_options(args)
    if out.suffix.lower() not in ENDINGS:
        raise InputError(f"--out {args.out}: need a file named {', '.join(ENDINGS)}")
    labels = _labels(args)
    with results_folder(out.parent):
        from ksdiff_jax.animate.motion import Motion
        from ksdiff_jax.export.foreign_motion import check_ours
        from ksdiff_jax.export.side_by_side import write_side_by_side
        from ksdiff_jax.export.take import check_shown
        from ksdiff_jax.face import builtin_face, load_face

        started = time.perf_counter()
        for name in args.motion:
            check_ours(name)
        face = load_face(args.face) if args.face else None
        motions = [Motion.load(name, space=args.space) for name in args.motion]
        for name, motion in zip(args.motion, motions, strict=True):
            check_shown(face or builtin_face(), motion.space, what=name)
        with console.progress("rendering", unit="frames") as update:
            write_side_by_side(
                out,
                [
                    motion.shown(
                        label, face=face, tongue=_tongue(name, motion) if args.tongue else None
                    )
                    for label, name, motion in zip(labels, args.motion, motions, strict=True)
                ],
                audio=args.audio,
                progress=update,
                overwrite=args.overwrite,
                transparent=args.transparent,
                **options,
            )
        seconds, frames = time.perf_counter() - started, max(map(len, motions))
        console.say(f"  wrote {out}: {frames} frames in {seconds:.1f} s")
    console.result({"out": str(out), "frames": frames, "labels": labels, "seconds": seconds})
    return 0


def _labels(args: argparse.Namespace) -> list[str]:
    """Return a label for each motion; raise `InputError` if they do not fit."""
    count = len(args.motion)
    stems = [motion_stem(name) for name in args.motion]
    labels = args.labels or (stems if count > 1 and args.labels is None else [])
    if not labels and count == 1:
        return [""]
    if len(labels) != count or len(set(labels)) != count:
        raise InputError(
            f"--labels: got {', '.join(labels) or 'none'} for {count} motions, need a different "
            "one for each"
        )
    return labels


def _tongue(name: str, motion: "Motion") -> "np.ndarray":
    from ksdiff_jax.export.take import Take
    from ksdiff_jax.export.viseme_shapes import tongue_weights

    _, phonemes = words_beside(name)
    return tongue_weights(Take(motion, motion.fps, "", phonemes=phonemes).visemes)
