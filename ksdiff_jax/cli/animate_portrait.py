"""`ksdiff-jax animate SPEECH... --portrait FACE --checkpoint FRAMES [--motion SOURCE]`.

`--checkpoint` is then a system that paints frames, and steps, sampler, spacing and guidance are its
own. The motion is that of `--motion`: a motion file, or a checkpoint that generates it from the
speech, by default the shipped one. `--seed` is of both.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ksdiff_jax.cli.animate_controls import STRENGTH_OPTIONS
from ksdiff_jax.cli.animate_outputs import FORMATS, file_stems
from ksdiff_jax.cli.animate_transcripts import transcript_reader
from ksdiff_jax.cli.console import Console
from ksdiff_jax.errors import InputError, paths_as_input
from ksdiff_jax.outputs import check_output

if TYPE_CHECKING:  # slow to import
    from ksdiff_jax.animate.motion import Motion

# Options that are those of a drawn head, of many recordings or of several motions.
NOT_FOR_PORTRAITS = (
    *("face", "pose", "from_list", "batch_size", "hosts", "host_index", "samples", "causal"),
    *("best_of", "head_keyframes", "expression_keyframes", "keyframe_guidance", "pin"),
    *("pin_frames", "pin_parts", "gaze", "fps", "mouth_only", "head_style", "silence_guard"),
    *(f"{part}_strength" for part in STRENGTH_OPTIONS.values()),
    *("keyframes", "view", "look", "size"),
)
WRITTEN = ("mp4", "npz", "png")  # a plot is among the defaults, and is left out
OPTIONS = ("head_guidance", "lip_temperature", "style", "blinks")  # of the motion
# How a motion is sampled: of no use for one that is read from a file.
OF_SAMPLED_MOTION = (
    *OPTIONS,
    *("encoder", "channel", "audio_stream", "noise_id"),
    *("transcript", "transcript_file", "transcribe"),
)
PAINTER_OPTIONS = ("steps", "sampler", "spacing", "guidance")


def add_portrait_arguments(group: argparse._ArgumentGroup) -> None:
    """Add --portrait and what belongs to it."""
    group.add_argument(
        "--portrait",
        metavar="PICTURE",
        help="move the person in this picture instead of drawing a head: --checkpoint is then a "
        "system that paints frames (FD2Talk's second stage). Use pictures of people who agreed to "
        "it; the video is marked as synthetic. Needs the face tracker (`make tracker`)",
    )
    group.add_argument(
        "--motion",
        metavar="SOURCE",
        help="with --portrait: a motion file (.motion.npz), or the checkpoint that generates the "
        "motion from the speech; default the shipped checkpoint",
    )
    group.add_argument(
        "--autoencoder",
        metavar="DIR",
        help="with --portrait: the autoencoder of --checkpoint, if it has moved",
    )
    group.add_argument(
        "--frame-noise",
        choices=("shared", "own"),
        help="with --portrait: all frames start at the same noise, against flicker, or each at its "
        "own; default the checkpoint's. --steps, --sampler, --spacing and --guidance are those of "
        "the painting too, --seed that of motion and painting",
    )


def run_portrait(args: argparse.Namespace, console: Console) -> int:
    """Write a video of the portrait for every recording; return 2 if any failed."""
    _check_options(args)
    from ksdiff_jax.cli.device import keep_compilations, use_device

    use_device(args.device)
    keep_compilations()
    from ksdiff_jax.animate.painter import Painter
    from ksdiff_jax.animate.portrait import Portrait, check_motion

    options = {name: getattr(args, name) for name in PAINTER_OPTIONS}
    if args.frame_noise is not None:
        options["shared_noise"] = args.frame_noise == "shared"
    where = {"autoencoder": args.autoencoder}
    painter = Painter.from_pretrained(args.checkpoint, seed=args.seed, **where, **options)
    motion_of = _motion_source(args)
    portrait = Portrait.open(args.portrait)
    reports, given = [], [args.portrait, args.motion, args.autoencoder, *args.speech]
    for speech, stem in zip(args.speech, file_stems(args.speech, folder=args.out), strict=True):
        paths = {kind: Path(args.out) / f"{stem}{FORMATS[kind]}" for kind in _formats(args)}
        try:
            with console.without_library_warnings(), paths_as_input():
                for kind, path in paths.items():
                    purpose = {"mp4": "video", "npz": "motion"}[kind]
                    inputs = filter(None, given)
                    check_output(path, purpose, overwrite=args.overwrite, inputs=inputs)
                motion, heard = motion_of(speech)
                check_motion(motion, painter)
                if "npz" in paths:
                    motion.save(paths["npz"], overwrite=args.overwrite)
                with console.progress("painting", unit="frames") as update:
                    how = {"audio": heard, "progress": update, "overwrite": args.overwrite}
                    portrait.animate(motion, painter, paths["mp4"], **how)
        except InputError as error:
            message = str(error)
            console.fail(message if speech in message else f"{speech}: {message}")
            reports.append({"speech": speech, "error": message})
            continue
        for path in paths.values():
            console.say(f"  wrote {path}")
        reports.append({"speech": speech, "files": [str(path) for path in paths.values()]})
    console.result({"results": reports, "out": str(args.out)})
    return 2 if any("error" in report for report in reports) else 0


def check_motion_option(args: argparse.Namespace) -> None:
    """Raise `InputError` for --motion, --frame-noise or --autoencoder without --portrait."""
    if args.autoencoder is not None and args.portrait is None:
        raise InputError(
            f"--autoencoder {args.autoencoder}: of painted frames; name a picture with --portrait, "
            "or leave --autoencoder out"
        )
    if args.frame_noise is not None and args.portrait is None:
        raise InputError(
            f"--frame-noise {args.frame_noise}: of painted frames; name a picture with --portrait, "
            "or leave --frame-noise out"
        )
    if args.motion is not None and args.portrait is None:
        raise InputError(
            f"--motion {args.motion}: the motion of a portrait; name a picture with --portrait, or "
            "leave --motion out"
        )


def _check_options(args: argparse.Namespace) -> None:
    """Raise `InputError` for options that a portrait has no use for."""
    if args.checkpoint is None:
        raise InputError(
            f"--portrait {args.portrait}: needs a system that paints frames; name its checkpoint "
            "with --checkpoint (train one with `ksdiff-jax train configs/fd2talk_frames.py`)"
        )
    if other := [kind for kind in args.formats if kind not in WRITTEN]:
        raise InputError(
            f"--formats {' '.join(other)}: --portrait writes mp4, and npz of a sampled motion; "
            "export the motion with `ksdiff-jax export`"
        )
    for name in NOT_FOR_PORTRAITS:
        if getattr(args, name) != args.defaults(name):
            option = "--" + name.replace("_", "-")
            raise InputError(f"--portrait {args.portrait}: {option} is of no use; leave it out")
    if args.motion is not None and Path(args.motion).is_file():
        for name in OF_SAMPLED_MOTION:
            if getattr(args, name) != args.defaults(name):
                option = "--" + name.replace("_", "-")
                raise InputError(
                    f"--motion {args.motion}: {option} is of a motion that is sampled, and this "
                    "one is read from the file; leave one of them out"
                )
    if odd := next((path for path in args.speech if not Path(path).is_file()), None):
        raise InputError(f"{odd}: no such recording; with --portrait name each recording's file")
    if not args.speech:
        raise InputError("nothing to animate; need a recording")


def _formats(args: argparse.Namespace) -> list[str]:
    """Return what to write: the video, and the motion if it was sampled and asked for."""
    sampled = args.motion is None or not Path(args.motion).is_file()
    return ["mp4", *(["npz"] if sampled and "npz" in args.formats else [])]


def _motion_source(args: argparse.Namespace) -> "Callable[[str], tuple[Motion, object]]":
    """Return a function from a recording to its motion and the sound to go with it."""
    from ksdiff_jax.animate.animator import Animator
    from ksdiff_jax.animate.motion import Motion
    from ksdiff_jax.audio.waveform import read_recording
    from ksdiff_jax.models.pretrained import DEFAULT_NAME

    if args.motion is not None and Path(args.motion).is_file():
        motion = Motion.load(args.motion, space=args.space)
        return lambda speech: (motion, speech)
    source = DEFAULT_NAME if args.motion is None else args.motion
    animator = Animator.from_pretrained(source, encoder=args.encoder, space=args.space)
    transcript_of = transcript_reader(args)
    options = {name: getattr(args, name) for name in OPTIONS if getattr(args, name) is not None}
    animator.options(**options)  # refuse a wrong one before any work
    reading = {"channel": args.channel, "audio_stream": args.audio_stream}

    def sampled(speech: str):
        recording = read_recording(speech, **reading)
        transcript = transcript_of(speech, recording)
        utterance = animator.read(recording, transcript=transcript, noise_id=args.noise_id)
        (motion,) = animator.animate([utterance], seed=args.seed, gaze="none", **options)
        return motion, utterance.heard

    return sampled
