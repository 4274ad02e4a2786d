"""The options of `ksdiff-jax animate` that change a sampled motion: pins, edited keyframes,
strengths, the head's manner, the frame rate, and the best of several samples.
"""

import argparse
import re
from typing import TYPE_CHECKING

from ksdiff_jax.errors import InputError

if TYPE_CHECKING:  # slow to import
    from ksdiff_jax.animate.animator import Animator
    from ksdiff_jax.animate.motion import Motion
    from ksdiff_jax.speech.utterance import Utterance

STRENGTH_OPTIONS = {"lips": "lip", "head": "head", "brows": "brow", "blinks": "blink"}
CONTROL_FILES = ("keyframes", "pin", "head_style")
CONTROL_OPTIONS = (
    *CONTROL_FILES,
    *("pin_frames", "pin_parts", "mouth_only", "silence_guard", "best_of", "fps"),
    *(f"{option}_strength" for option in STRENGTH_OPTIONS.values()),
)
PIN_PARTS = ("exp", "jaw", "head", "cam")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)")


def add_control_arguments(group: argparse._ArgumentGroup) -> None:
    """Add the options to a group of the parser."""
    group.add_argument(
        "--keyframes",
        metavar="FILE",
        help="motion file of the same speech whose keyframes were edited: they replace the "
        "predicted ones, and only the second around each changed one is sampled again",
    )
    group.add_argument(
        "--pin",
        metavar="FILE",
        help="motion file of the same speech, parts of which are kept exactly; the second around "
        "them leads there, and the rest is as without it",
    )
    group.add_argument(
        "--pin-frames",
        nargs="+",
        metavar="A-B",
        help="spans of --pin in seconds, e.g. 2.0-3.5; default all of it",
    )
    group.add_argument(
        "--pin-parts",
        nargs="+",
        choices=PIN_PARTS,
        help="what of --pin is kept: exp (expression), jaw, head (rotation), cam; default all",
    )
    _add_manner_arguments(group)
    group.add_argument(
        "--best-of",
        type=int,
        metavar="N",
        help="sample N motions and write the best --samples of them: those whose mouth a lip-sync "
        "model finds most in sync",
    )
    group.add_argument(
        "--fps",
        type=float,
        metavar="F",
        help="frames per second of what is written, 5 to 240, e.g. 24, 29.97 or 60; default 25",
    )


def _add_manner_arguments(group: argparse._ArgumentGroup) -> None:
    for part, option in STRENGTH_OPTIONS.items():
        group.add_argument(
            f"--{option}-strength",
            type=float,
            metavar="X",
            help=f"how strongly the {part} move{'s' if part == 'head' else ''}: 0 is not at all, "
            "1 as sampled; the others do not change",
        )
    group.add_argument(
        "--mouth-only",
        action="store_true",
        help="only mouth and jaw move: the head rests, and there are no blinks",
    )
    group.add_argument(
        "--head-style",
        metavar="FILE",
        help="motion file, of any speech, whose head this one moves like: its mean pose, and about "
        "as far and as fast",
    )
    group.add_argument(
        "--silence-guard",
        action="store_true",
        help="close the mouth where nothing is heard for 0.4 s or more",
    )


class Controls:
    """The options of one call; construction raises `InputError` for those that cannot be used."""

    def __init__(self, args: argparse.Namespace, *, space: str):
        from ksdiff_jax.animate.best import check_count
        from ksdiff_jax.animate.head_style import check_style
        from ksdiff_jax.animate.motion import Motion
        from ksdiff_jax.animate.strengths import check_strengths
        from ksdiff_jax.motion.frame_rate import exact_rate

        self.fps, self.best_of = args.fps, args.best_of
        self.mouth_only, self.silence_guard = args.mouth_only, args.silence_guard
        self.strengths = {
            part: getattr(args, f"{option}_strength") for part, option in STRENGTH_OPTIONS.items()
        }
        self.parts = args.pin_parts
        self.spans = [_span(text) for text in args.pin_frames or ()]
        _refuse_contradictions(args)
        check_strengths(space, **self.strengths)
        if args.fps is not None:
            exact_rate(args.fps)
        if args.best_of is not None:
            check_count(args.best_of, wanted=args.samples, space=space)
        files = {name: getattr(args, name) for name in ("pin", "keyframes", "head_style")}
        self.files = {name: Motion.load(path) for name, path in files.items() if path is not None}
        self.head_style_source = f"--head-style {args.head_style}"
        if "head_style" in self.files:
            check_style(self.files["head_style"], space=space, source=self.head_style_source)

    def edited(self, animator: "Animator", utterance: "Utterance") -> "Utterance":
        """Return the utterance with the edit of its motion; raise `InputError` for a motion file
        that does not fit it.
        """
        from ksdiff_jax.animate.editing import Pins

        pins, pinned = [], self.files.get("pin")
        if pinned is not None:
            pins = [Pins.between(pinned, *span, parts=self.parts) for span in self.spans]
            pins = pins or [Pins(pinned, channels=self.parts)]
        return animator.edited(utterance, keyframes=self.files.get("keyframes"), pins=pins)

    def applied(self, motion: "Motion", utterance: "Utterance") -> "Motion":
        """Return a sampled motion with all that is done after sampling, the frame rate last."""
        if "head_style" in self.files:
            motion = motion.with_head_style(self.files["head_style"])
        motion = motion.with_strengths(**self.strengths)
        motion = motion.mouth_only() if self.mouth_only else motion
        if self.silence_guard:
            motion = motion.with_silence_guard(utterance.audio)
        return motion if self.fps is None else motion.at_fps(self.fps)


def _refuse_contradictions(args: argparse.Namespace) -> None:
    """Raise `InputError` for options of which one would undo another."""
    pinning = [f"--pin-{name}" for name in ("frames", "parts") if getattr(args, f"pin_{name}")]
    if pinning and args.pin is None:
        raise InputError(f"{pinning[0]}: of which motion? name its file with --pin")
    after = [f"--{o}-strength" for o in STRENGTH_OPTIONS.values() if getattr(args, f"{o}_strength")]
    after += [
        option
        for option, given in (
            ("--mouth-only", args.mouth_only),
            ("--head-style", args.head_style),
            ("--silence-guard", args.silence_guard),
            ("--pose", args.pose),
        )
        if given
    ]
    if args.pin is not None and after:
        raise InputError(f"{after[0]}: it would change what --pin keeps; leave one of them out")
    by_hand = args.head_keyframes is not None or args.expression_keyframes is not None
    if args.keyframes is not None and by_hand:
        raise InputError("--keyframes: other keyframes are placed by hand; leave one of them out")
    if args.mouth_only and (args.head_style or args.head_strength is not None):
        raise InputError("--mouth-only: its head does not move; leave the options of the head out")


def _span(text: str) -> tuple[float, float]:
    found = _SPAN.fullmatch(text)
    if not found or float(found[1]) >= float(found[2]):
        raise InputError(f"--pin-frames {text}: need seconds from-to, as 2.0-3.5")
    return float(found[1]), float(found[2])
