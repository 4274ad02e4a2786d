"""`ksdiff-jax animate SPEECH... --out DIR`: recordings in, motion files, videos and plots out.

animate_outputs.py      names and permission of the files
animate_transcripts.py  the transcript of each recording
animate_recording.py    one recording: read, sample, write
animate_controls.py     edits, strengths, frame rate, best of several
animate_portrait.py     the person in a picture instead of a drawn head
animate_many.py         thousands: folders, lists, several hosts, a manifest, restart
animate_stream.py       live speech from standard input
"""

import argparse
import time
from pathlib import Path

from ksdiff_jax.cli.animate_controls import add_control_arguments
from ksdiff_jax.cli.animate_inputs import add_many_arguments, asks_for_many
from ksdiff_jax.cli.animate_outputs import FORMATS, OWN_FORMATS, Outputs, file_stems
from ksdiff_jax.cli.animate_portrait import (
    add_portrait_arguments,
    check_motion_option,
    run_portrait,
)
from ksdiff_jax.cli.animate_recording import RecordingAnimator, failure_report
from ksdiff_jax.cli.animate_stream import (
    add_stream_arguments,
    refuse_stream_options,
    run_stream,
)
from ksdiff_jax.cli.animate_transcripts import transcript_reader
from ksdiff_jax.cli.console import Console, add_output_arguments, add_overwrite_argument
from ksdiff_jax.cli.phones_option import add_phonemes_argument
from ksdiff_jax.cli.picture_arguments import add_picture_arguments
from ksdiff_jax.cli.results_folder import results_folder
from ksdiff_jax.errors import InputError
from ksdiff_jax.export.endings import ENDINGS

SUMMARY = "speech in; motion file, video with sound and plot out"
STANDARD_INPUT = "/dev/stdin"
KEYFRAME_PATHS = ("head", "expression")
EXAMPLES = """examples:
  ksdiff-jax animate speech.wav --out out
  ksdiff-jax animate a.mp3 b.flac c.mp4 --out out --formats npz
  ksdiff-jax animate speech.wav --out out --formats npz mp4 livelink glb visemes
  ksdiff-jax animate recordings/ --out out --formats npz          the same again continues
  ksdiff-jax animate --from-list files.txt --out out --formats npz --hosts 4 --host-index 0
  ksdiff-jax animate speech.wav --out out --transcript "What is said." --samples 3 --seed 7
  ksdiff-jax animate speech.wav --out out --transcribe openai/whisper-tiny
  ksdiff-jax animate speech.wav --out out --formats npz visemes glb --phonemes speech.TextGrid
  ksdiff-jax animate speech.wav --out out --face FLAME2020.pkl
  ksdiff-jax animate speech.wav --out out --head-keyframes 0.8 2.4 --keyframe-guidance 3
  ksdiff-jax animate speech.wav --out out --checkpoint runs/disenttalk_demo --pose demo
  ksdiff-jax animate speech.wav --out out --checkpoint runs/me --style me --noise-id take-2
  ksdiff-jax animate speech.wav --out out --checkpoint runs/me --causal
  ksdiff-jax animate speech.wav --out out --checkpoint runs/me --blinks drawn --head-guidance 3
  ksdiff-jax animate speech.wav --out out --gaze none
  ksdiff-jax animate speech.wav --out out --view front side --look clay --size 640x480
  ksdiff-jax animate speech.wav --out out --lip-strength 1.2 --head-strength 0.5 --fps 60
  ksdiff-jax animate speech.wav --out new --pin old/speech.motion.npz --pin-frames 2.0-3.5
  ksdiff-jax animate speech.wav --out out --lip-temperature 1 --best-of 8
  ksdiff-jax animate speech.wav --out out --portrait me.jpg --checkpoint runs/frames
  arecord -q -t raw -f S16_LE -r 16000 -c 1 | ksdiff-jax animate --stream - > frames.jsonl
  ffmpeg -re -i talk.mp3 -f s16le -ac 1 -ar 16000 - | ksdiff-jax animate --stream - --send vmc
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command. Sampling options default to the checkpoint's own."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "speech",
        nargs="*",
        metavar="SPEECH",
        help="recording, or video with sound, of any format; - is standard input; a folder or a "
        "quoted pattern is all recordings in it",
    )
    parser.add_argument("--out", metavar="DIR", help="folder for the results; created if missing")
    add_overwrite_argument(parser)
    parser.add_argument(
        "--formats",
        nargs="+",
        choices=FORMATS,
        default=list(OWN_FORMATS),
        metavar="F",
        help="what to write: npz (motion), mp4 (video), png (plot), by default these three; files "
        f"for other programs: {', '.join(ENDINGS)}",
    )
    parser.add_argument(
        "--device", choices=("cpu", "gpu", "tpu"), help="default: the fastest that JAX finds"
    )
    add_output_arguments(parser)
    add_many_arguments(parser.add_argument_group("many recordings (manifest.jsonl, resumable)"))
    _add_checkpoint_arguments(parser.add_argument_group("checkpoint and face"))
    add_portrait_arguments(parser.add_argument_group("a person in a picture"))
    recording = parser.add_argument_group("recording")
    _add_recording_arguments(recording)
    add_phonemes_argument(recording)
    _add_transcript_arguments(parser.add_argument_group("transcript (at most one)"))
    add_picture_arguments(parser.add_argument_group("video"))
    sampling = parser.add_argument_group("sampling")
    _add_sampling_arguments(sampling)
    _add_causal_argument(sampling)
    _add_manner_arguments(sampling)
    add_control_arguments(parser.add_argument_group("a hand on the controls"))
    add_stream_arguments(parser.add_argument_group("live speech"))
    parser.set_defaults(defaults=parser.get_default)


def _add_checkpoint_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--checkpoint",
        metavar="DIR",
        help="checkpoint folder, training workdir, shipped name or org/name on the hub; default: "
        "the shipped checkpoint",
    )
    group.add_argument(
        "--encoder",
        metavar="PATH",
        help="the checkpoint's pretrained speech encoder, if it has moved",
    )
    group.add_argument(
        "--space",
        default="",
        metavar="NAME",
        help="motion space of a checkpoint of an earlier version that does not name it",
    )
    group.add_argument(
        "--face",
        metavar="FILE",
        help="face in FLAME's form (.npz, .pkl) for motion file, video and plot: motions of the "
        "built-in head are retargeted to it, and the error is printed; default: the built-in head",
    )
    group.add_argument(
        "--pose",
        metavar="SOURCE",
        help="head rotation and camera from elsewhere: a motion file at least as long as the "
        "speech, or a checkpoint (folder or name) that generates them for the same speech; "
        "default: the checkpoint's own, which DisentTalk leaves at rest",
    )


def _add_recording_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--channel",
        type=int,
        metavar="N",
        help="use only this channel, counted from 1; default: the voice in all channels",
    )
    group.add_argument(
        "--audio-stream",
        type=int,
        metavar="N",
        help="use this sound track, counted from 1; default: the one that players choose",
    )


def _add_transcript_arguments(group: argparse._ArgumentGroup) -> None:
    source = group.add_mutually_exclusive_group()
    source.add_argument(
        "--transcript",
        default="",
        metavar="TEXT",
        help="the words of the recording, in any script; default: the transcript beside it, if any",
    )
    source.add_argument(
        "--transcript-file",
        metavar="F",
        help="the same, from a file: plain text, labels, subtitles, Whisper's JSON and others",
    )
    source.add_argument(
        "--transcribe",
        metavar="MODEL",
        help="transcribe with this Whisper: a folder, or a hub name such as openai/whisper-tiny",
    )
    source.add_argument(
        "--no-sidecar",
        action="store_true",
        help="do not read the transcript beside a recording (.TextGrid, .lab, .json, .srt, .vtt, "
        ".txt and others)",
    )


def _add_sampling_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--seed", type=int, default=0, metavar="N", help="same seed, same motion; default 0"
    )
    group.add_argument(
        "--noise-id",
        metavar="TEXT",
        help="recordings with the same id and seed get the same noise, and similar heads, e.g. "
        '"stream"; "" is the noise that depends on the seed alone; default: a digest of the '
        "decoded sound",
    )
    group.add_argument(
        "--samples",
        type=int,
        default=1,
        metavar="N",
        help="different motions per recording; default 1",
    )
    group.add_argument(
        "--steps", type=int, metavar="N", help="denoising steps; default the checkpoint's"
    )
    group.add_argument(
        "--sampler",
        metavar="NAME",
        help="ddim, dpm++2m (DPM-Solver++) or unipc; default the checkpoint's",
    )
    group.add_argument(
        "--spacing",
        metavar="NAME",
        help="of the steps: trailing, evenly, or log_snr, evenly in log-SNR; default the "
        "checkpoint's",
    )
    group.add_argument(
        "--guidance",
        type=float,
        metavar="S",
        help="guidance scale, 1 is none; default the checkpoint's, which may have another for live "
        "speech (--causal, --stream)",
    )
    group.add_argument(
        "--keyframe-guidance",
        type=float,
        metavar="G",
        help="guidance scale of the keyframes, 1 is none; above 1 head and expression move more "
        "near keyframes than elsewhere; default the checkpoint's",
    )
    for path in KEYFRAME_PATHS:
        group.add_argument(
            f"--{path}-keyframes",
            nargs="*",
            type=float,
            metavar="S",
            help=f"keyframes of the {path} placed by hand, at these times in seconds, in place of "
            "the predicted ones; no time places none",
        )


def _add_manner_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--head-guidance",
        type=float,
        metavar="S",
        help="guidance scale of the head alone, the higher the faster it moves; default the "
        "checkpoint's, or that of --guidance",
    )
    group.add_argument(
        "--lip-temperature",
        type=float,
        metavar="T",
        help="scale of the noise in the lips: 0 follows the speech alone, 1 is the full diffusion; "
        "default the checkpoint's",
    )
    group.add_argument(
        "--style",
        metavar="NAME",
        help="move as this source of the training data, or as its speaker (SOURCE/SPEAKER); one of "
        "the checkpoint's styles, if it has any; default the checkpoint's",
    )
    group.add_argument(
        "--gaze",
        choices=("drawn", "none"),
        help="drawn: eyes that look at the viewer, glance aside and stay on their point while the "
        "head turns, at random; none: eyes fixed in the head; default: drawn on the built-in head",
    )
    group.add_argument(
        "--blinks",
        choices=("sampled", "drawn"),
        help="sampled: the model's own; drawn: at random, 0.28 to 0.45 a second, on the built-in "
        "head; default the checkpoint's",
    )


def _add_causal_argument(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--causal",
        action="store_true",
        help="animate as live speech: no frame depends on sound more than the model's look-ahead "
        "(0.2 s) after it, and no transcript is read; for models trained with "
        "model.causal.probability above 0",
    )


def run(args: argparse.Namespace) -> int:
    """Animate every recording that can be read; return 2 if any failed."""
    if args.stream is not None:
        return run_stream(args, args.defaults)
    refuse_stream_options(args, args.defaults)
    if args.out is None:
        raise InputError("the following arguments are required: --out")
    if args.batch_size is not None and args.batch_size < 1:
        raise InputError(f"--batch-size {args.batch_size}: need at least 1")
    started = time.perf_counter()
    console = Console("animate", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    if "-" in args.speech and not Path(STANDARD_INPUT).exists():  # Windows
        raise InputError(
            f"-: this system has no {STANDARD_INPUT}; save the recording to a file and name it"
        )
    check_motion_option(args)
    if args.portrait is not None:
        return run_portrait(args, console)
    if not args.speech and args.from_list is None:
        raise InputError("nothing to animate; need a recording, a folder, or --from-list FILE")
    if asks_for_many(args):
        from ksdiff_jax.cli.animate_many import run_many

        return run_many(args, console)
    outputs = Outputs(args)
    speeches = [STANDARD_INPUT if speech == "-" else speech for speech in args.speech]
    stems = file_stems(speeches, folder=args.out)
    refused = [
        _refusal(speech, stem, outputs, console)
        for speech, stem in zip(speeches, stems, strict=True)
    ]
    out, reports = Path(args.out), refused
    if not all(refused):  # load the model only if there is work
        transcript_of = transcript_reader(args)
        with results_folder(args.out):
            work = RecordingAnimator(args, console, outputs, transcript_of)
            jobs = zip(speeches, stems, refused, strict=True)
            reports = [no or work.animate(speech, stem) for speech, stem, no in jobs]
    failed = [report for report in reports if "error" in report]
    _summary(console, reports, failed, out=out, seconds=time.perf_counter() - started)
    return 2 if failed else 0


def _refusal(speech: str, stem: str, outputs: Outputs, console: Console) -> dict | None:
    """Return the report of a recording whose results may not be written, otherwise None."""
    try:
        outputs.check(stem)
    except InputError as error:
        return failure_report(speech, error, console)
    return None


def _summary(
    console: Console, reports: list[dict], failed: list[dict], *, out: Path, seconds: float
) -> None:
    done = [report for report in reports if "error" not in report]
    if done:
        speech_s = sum(report["duration_s"] for report in done)
        work_s = sum(sum(report["seconds"].values()) for report in done)
        console.say(
            f"{speech_s:.1f} s of speech in {work_s:.1f} s (real-time factor "
            f"{work_s / speech_s:.2f}; "
            f"{seconds:.1f} s with start-up)"
        )
        files = [str(file) for report in done for file in report["files"]]
        hints = {
            ".mp4": f"play {out}/*.mp4",
            ".npz": "from Python, ksdiff_jax.Motion.load(...) reads the .motion.npz",
        }
        if shown := [
            hint for ending, hint in hints.items() if any(file.endswith(ending) for file in files)
        ]:
            console.say(f"next: {'; '.join(shown)}")
    if len(reports) > 1 and failed:
        names = ", ".join(report["speech"] for report in failed)
        console.say(f"{len(done)} of {len(reports)} recordings animated; not animated: {names}")
    console.result({"results": reports, "out": str(out), "seconds": seconds})
