"""`ksdiff-jax prepare SOURCE... --out DIR`: converts talking-face videos, or coefficients of
another tool, to shards.
"""

import argparse
import os
import time

from ksdiff_jax.cli.console import Console, add_output_arguments, add_overwrite_argument
from ksdiff_jax.errors import InputError

SUMMARY = "convert raw videos, or coefficients of another tool, to shards for training"
PASSES_ON = True  # arguments after `--` are Apache Beam's
LAYOUT_NAMES = ("hdtf", "voxceleb")
RUNNER_NAMES = ("local", "direct", "dataflow", "flink", "spark")
SECONDS_BETWEEN_LINES = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = """examples:
  ksdiff-jax prepare videos --out shards
  ksdiff-jax prepare coefficients --audio wavs --coefficient-fps 30 --out shards
  ksdiff-jax prepare videos --coefficients smirk --out shards
  ksdiff-jax prepare takes --out shards    Live Link Face: each .csv with its .mov or .wav
  ksdiff-jax prepare videos --out shards --offset refuse    only clips with sound surely in step
  ksdiff-jax prepare videos --out shards --pictures 256    face crops too, for FD2Talk's frames
  ksdiff-jax prepare hdtf HDTF --out shards
  ksdiff-jax prepare voxceleb vox2 --out shards --processes 64
  ksdiff-jax prepare videos --out shards --runner flink -- --flink_master=host:8081

a second run resumes where the first one stopped: finished sources are kept in DIR.work
"""
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="video, coefficient file or recording of ARKit's weights (Live Link Face's .csv), or "
        "a folder of them; the first may be `hdtf` or `voxceleb`, the layout of the folders after "
        "it",
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder of the data set; replaced if it is one"
    )
    add_overwrite_argument(parser)
    parser.add_argument(
        "--work",
        metavar="DIR",
        help="folder of finished sources, may be gs://...; default OUT.work",
    )
    _add_source_arguments(parser.add_argument_group("properties of a source"))
    _add_clip_arguments(parser.add_argument_group("clips and splits"))
    _add_tracking_arguments(parser.add_argument_group("tracking"))
    _add_runner_arguments(parser.add_argument_group("execution"))
    add_output_arguments(parser)


def _add_source_arguments(found: argparse._ArgumentGroup) -> None:
    found.add_argument(
        "--coefficients", default="", metavar="DIR", help="coefficients of the videos, by file name"
    )
    found.add_argument(
        "--audio",
        default="",
        metavar="DIR",
        help="sound, matched by file name; default: in the video, or beside the file",
    )
    found.add_argument(
        "--coefficient-fps",
        type=float,
        metavar="F",
        help="frame rate of coefficient files that lack it; default: of the video, else 25",
    )
    found.add_argument(
        "--stretch",
        action="store_true",
        help="scale the motion's time to the sound's length if the sound runs at another speed; "
        "default: both are cut to their common part",
    )
    found.add_argument(
        "--channel",
        type=int,
        metavar="N",
        help="use only this channel of the sound, counted from 1",
    )
    found.add_argument(
        "--audio-stream",
        type=int,
        metavar="N",
        help="use this sound track of each file, counted from 1",
    )
    found.add_argument(
        "--language", default="", metavar="L", help="language of all sources, such as en"
    )
    found.add_argument(
        "--speaker-from",
        default="",
        metavar="HOW",
        help="folder, file, or a regular expression whose first group is the speaker; default: "
        "the folder's name, for files in the top folder the file's",
    )


def _add_clip_arguments(clips: argparse._ArgumentGroup) -> None:
    clips.add_argument(
        "--min-s",
        type=float,
        default=1.0,
        metavar="S",
        help="shorter clips are rejected; default 1",
    )
    clips.add_argument(
        "--max-s", type=float, default=20.0, metavar="S", help="longer ones are cut; default 20"
    )
    clips.add_argument(
        "--held-out",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="share of the speakers for val and again for test; default 0.05",
    )
    clips.add_argument(
        "--seed", type=int, default=0, metavar="N", help="selects the held-out speakers; default 0"
    )
    clips.add_argument(
        "--licence", default="", metavar="TEXT", help="of the sources, for dataset.json"
    )


def _add_tracking_arguments(face: argparse._ArgumentGroup) -> None:
    face.add_argument(
        "--face",
        default="",
        metavar="FILE",
        help="FLAME model file to fit, which makes shards of the flame space; default the "
        "built-in head, whose 50 expression directions are its own",
    )
    face.add_argument(
        "--landmarks", default="", metavar="FILE", help="positions of the landmarks on that model"
    )
    face.add_argument(
        "--offset",
        choices=("correct", "keep", "refuse"),
        default="correct",
        help="of sound and face: `correct` (default) moves the sound where the offset is sure and "
        "keeps the others as they are, named in report.json; `keep` only measures; `refuse` "
        "leaves out those that are not sure",
    )
    face.add_argument(
        "--pictures",
        **{"type": int, "default": 0, "metavar": "PIXELS"},
        help="side of face crops to keep, for systems that paint faces; default: keep none",
    )
    face.add_argument(
        "--tracker", default="", metavar="PYTHON", help="Python of the tracker's environment"
    )


def _add_runner_arguments(run_by: argparse._ArgumentGroup) -> None:
    run_by.add_argument(
        "--processes", type=int, metavar="N", help="on this machine; default one per core"
    )
    run_by.add_argument(
        "--runner",
        choices=RUNNER_NAMES,
        default="local",
        help="local processes, or Apache Beam; options of Beam after --",
    )


def run(args: argparse.Namespace) -> int:
    """Find the sources, process them, assign the splits, write the shards; print a summary."""
    from pathlib import Path

    from ksdiff_jax.data.prepare.corpora import LAYOUTS
    from ksdiff_jax.data.prepare.layouts import find_sources
    from ksdiff_jax.data.prepare.ledger import Ledger
    from ksdiff_jax.data.prepare.run import check_out, finish_sources, write_prepared
    from ksdiff_jax.data.prepare.splits import SplitRule

    console = Console("prepare", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    settings = _settings(args)
    started = time.monotonic()
    layout = args.sources[0] if args.sources[0] in LAYOUT_NAMES and len(args.sources) > 1 else ""
    paths = args.sources[1:] if layout else args.sources
    inputs = filter(None, (*paths, args.coefficients, args.audio, args.face, args.landmarks))
    work = args.work or f"{args.out.rstrip('/')}.work"
    out = check_out(args.out, overwrite=args.overwrite, inputs=inputs, work=work)
    runner = _runner(args)
    sources = find_sources(
        paths,
        coefficients=args.coefficients,
        audio=args.audio,
        layout=layout,
        language=args.language,
        speaker_from=args.speaker_from,
    )
    published = LAYOUTS[layout].splits(sources, [Path(path) for path in paths]) if layout else {}
    _say_sources(sources, args, console)
    if args.pictures and (given := next((s for s in sources if s.coefficients), None)):
        remedy = "its face is not tracked; give videos alone, or leave --pictures out"
        raise InputError(f"--pictures {args.pictures}: {given.coefficients}: {remedy}")
    if any(not source.coefficients for source in sources):
        settings = _with_tracker(settings, runner_name=args.runner)
    ledger = Ledger(work)
    with console.progress("prepare", unit="sources") as update:
        progress = _Progress(console, update)
        finished = finish_sources(sources, settings, ledger, runner=runner, progress=progress)
    if finished.kept:
        console.say(f"{finished.kept} sources were finished before, in {ledger.folder}")
    info, report = write_prepared(
        out,
        finished,
        rule=SplitRule(args.held_out, args.seed, published),
        licence=args.licence,
        made_by=f"ksdiff-jax prepare {' '.join(args.sources)}",
        overwrite=args.overwrite,
    )
    seconds = round(time.monotonic() - started, 1)
    _table(report, console)
    console.say(
        f"{out}: {info.space} coefficients, written in {seconds:g} s; finished sources stay in "
        f"{ledger.folder}"
    )
    short = {name: value for name, value in report.items() if name != "outcomes"}
    console.result(
        {"out": str(out), "work": ledger.folder, "space": info.space, "seconds": seconds, **short}
    )
    return 0


def _settings(args: argparse.Namespace):
    from ksdiff_jax.data.coded_pictures import check_side
    from ksdiff_jax.data.prepare.source import Settings

    if not 0 < args.min_s <= args.max_s:
        raise InputError(f"--min-s {args.min_s:g} --max-s {args.max_s:g}: need 0 < min <= max")
    if not 0 <= args.held_out < 0.5:
        raise InputError(
            f"--held-out is {args.held_out:g}; need a share from 0 to below 0.5, it is held out "
            "twice"
        )
    if args.coefficient_fps is not None and not args.coefficient_fps > 0:
        raise InputError(f"--coefficient-fps is {args.coefficient_fps:g}; it must be more than 0")
    if args.processes is not None and args.processes < 1:
        raise InputError(f"--processes is {args.processes}; it must be 1 or more")
    if args.passed_on and args.runner == "local":
        raise InputError(
            f"{args.passed_on[0]}: options after -- are Apache Beam's; choose a --runner other "
            "than local"
        )
    return Settings(
        coefficient_fps=args.coefficient_fps,
        channel=args.channel,
        audio_stream=args.audio_stream,
        stretch=args.stretch,
        min_s=args.min_s,
        max_s=args.max_s,
        face=args.face,
        landmarks=args.landmarks,
        tracker_python=args.tracker,
        offset=args.offset,
        pictures=args.pictures and check_side(args.pictures),
    )


def _with_tracker(settings, *, runner_name: str):
    """Return the settings with the tracker's Python; if it is missing, report that once and not for
    every video.
    """
    from dataclasses import replace

    from ksdiff_jax.cli.device import keep_compilations
    from ksdiff_jax.data.prepare.track import face_and_landmarks
    from ksdiff_jax.data.tracking.tracker import tracker_python

    if settings.face:
        face_and_landmarks(settings)
    if runner_name not in ("local", "direct"):
        return settings  # other machines find their own
    if folder := keep_compilations():  # otherwise every process compiles the fit itself
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder))
    return replace(settings, tracker_python=tracker_python(settings.tracker_python))


def _runner(args: argparse.Namespace):
    if args.runner == "local":
        from ksdiff_jax.data.prepare.run import local_runner

        return local_runner(processes=args.processes)
    from ksdiff_jax.data.prepare.beam import beam_runner

    return beam_runner(args.runner, processes=args.processes, options=args.passed_on)


def _say_sources(sources, args: argparse.Namespace, console: Console) -> None:
    tracked = sum(1 for source in sources if not source.coefficients)
    speakers = len({source.speaker_id for source in sources})
    console.say(
        f"{len(sources)} sources of {speakers} speakers: {tracked} videos to track, "
        f"{len(sources) - tracked} with coefficients"
    )
    if args.coefficients and tracked:
        console.warn(
            f"{tracked} of {len(sources)} videos have no coefficients in {args.coefficients}; "
            "they are tracked"
        )


def _table(report: dict, console: Console) -> None:
    from ksdiff_jax.data.prepare.run import REPORT

    for name, split in report["splits"].items():
        console.say(
            f"{name:<5}  {split['clips']:>7,} clips  {split['hours'] * 60:9.1f} min  "
            f"{len(split['speakers']):>5} speakers"
        )
    if empty := [name for name, split in report["splits"].items() if not split["clips"]]:
        console.say(
            f"{' and '.join(empty)} empty: too few speakers to hold any out; raise --held-out, or "
            "add speakers"
        )
    _cuts(report, console)
    _offsets(report, console)
    noted = [outcome for outcome in report["outcomes"] if outcome["notes"]]
    if noted:
        console.say(
            f"{len(noted)} sources with repairs or automatic choices; --verbose and {REPORT} "
            "name them"
        )
    for outcome in noted:
        for note in outcome["notes"]:
            console.detail(f"  {outcome['source']}: {note}")
    if report["rejected"]:
        console.say("rejected")
    for reason, item in report["rejected"].items():
        console.say(f"  {item['count']:>7,}  {reason:<16}  {item['meaning']}")
    for rejection in report["rejections"]:
        console.detail(f"  {rejection['clip_id']}: {rejection['reason']}: {rejection['detail']}")


def _cuts(report: dict, console: Console) -> None:
    """Print how much was left out because only the motion or only the sound of a source
    covers it.
    """
    cut = report["cut"]
    if cut["stretched_sources"]:
        console.say(
            f"{cut['stretched_sources']} sources: motion stretched to the length of the sound"
        )
    if not cut["sources"]:
        return
    console.say(
        f"{cut['sources']} sources cut to what sound and motion share: of motion "
        f"{cut['motion_head_s']:.2f} s at the head and {cut['motion_tail_s']:.2f} s at the tail, "
        f"of sound {cut['sound_head_s']:.2f} s and {cut['sound_tail_s']:.2f} s"
    )
    for outcome in report["outcomes"]:
        if any(
            outcome["cut"][name]
            for name in ("motion_head_s", "motion_tail_s", "sound_head_s", "sound_tail_s")
        ):
            parts = ", ".join(
                f"{name.removesuffix('_s').replace('_', ' ')} {seconds:.2f} s"
                for name, seconds in outcome["cut"].items()
                if name != "stretch"
            )
            console.detail(f"  {outcome['source']}: cut: {parts}")


def _offsets(report: dict, console: Console) -> None:
    """Print for how many takes the sound was moved, and with `--verbose` which offsets are not
    sure.
    """
    offsets = report["offsets"]
    if not offsets["takes"]:
        return
    uncertain = offsets["uncertain"]
    console.say(
        f"sound moved to the mouth in {offsets['corrected']} of {offsets['takes']} takes; "
        f"{len(uncertain)} have no sure offset and keep theirs (report.json)"
    )
    for name in uncertain:
        console.detail(f"  {name}: no sure offset of sound and face")


class _Progress:
    """Shows a bar on a terminal (the console's), otherwise a plain line every ten seconds."""

    def __init__(self, console: Console, update):
        self._console, self._update, self._last = console, update, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        import sys

        self._update(done, total)
        now = time.monotonic()
        if not sys.stderr.isatty() and now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            self._console.say(f"{done}/{total} sources")
