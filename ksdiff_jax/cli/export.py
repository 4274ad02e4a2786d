"""`ksdiff-jax export MOTION... --format F [F ...] --out FILE|DIR`: motion files into the files of
other programs.
"""

import argparse
import contextlib
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ksdiff_jax.cli.blender_option import WriteBlenderScript
from ksdiff_jax.cli.console import Console, add_output_arguments, add_overwrite_argument
from ksdiff_jax.cli.phones_option import Phones, add_phonemes_argument
from ksdiff_jax.cli.results_folder import results_folder
from ksdiff_jax.errors import InputError, paths_as_input
from ksdiff_jax.export.endings import ENDINGS

if TYPE_CHECKING:
    from ksdiff_jax.export.take import Take
    from ksdiff_jax.speech.transcripts.spoken_words import Spoken

SUMMARY = "a motion file into the formats of other programs: Live Link, glTF, Audio2Face, ..."
FRAME_RATES = (24, 25, 30, 50, 60)
EXAMPLES = """examples:
  ksdiff-jax export out/talk.motion.npz --format livelink --out talk.csv --fps 60
  ksdiff-jax export out/*.motion.npz --format arkit glb visemes --out out
  ksdiff-jax export out/talk.motion.npz --format visemes --phonemes talk.TextGrid --out out
  ksdiff-jax export flame.motion.npz --format glb --face generic_model.pkl --out out
  ksdiff-jax export --blender-script ksdiff_face.py

Guides for Blender, Unreal and MetaHuman, Unity, Maya, VRoid and VTuber programs, web avatars and
clients of Audio2Face: the section "Formats and guides" of the README.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: motion files, formats, destination."""
    parser.epilog = EXAMPLES
    parser.add_argument("motion", nargs="+", metavar="MOTION", help="a .motion.npz file")
    parser.add_argument(
        "--format",
        "--formats",
        dest="formats",
        nargs="+",
        required=True,
        choices=ENDINGS,
        metavar="F",
        help=f"one or more of {', '.join(ENDINGS)}",
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="FILE|DIR",
        help="folder for <stem>.<what>.<ending>; for one motion in one format also a file name",
    )
    parser.add_argument(
        "--fps",
        type=int,
        choices=FRAME_RATES,
        help="frame rate of the files, e.g. 60; default: that of the motion",
    )
    add_phonemes_argument(parser)
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
    parser.add_argument(
        "--blender-script",
        action=WriteBlenderScript,
        metavar="FILE.py",
        help="write the script that puts a .csv or .glb onto a rig in Blender, and exit",
    )
    add_overwrite_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Write every format of every motion; return 2 if a motion failed."""
    console = Console("export", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    formats = list(dict.fromkeys(args.formats))
    single = len(args.motion) == len(formats) == 1 and _names_a_file(args.out, formats[0])
    _check_out(args.out, formats, single=single)
    stems = [motion_stem(name) for name in args.motion]
    if alike := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise InputError(f"two motions are named {alike[0]}; export them into two folders")
    folder = Path(args.out).parent if single else Path(args.out)
    phones, reports = Phones(args.phonemes, several=len(stems) > 1), []
    with results_folder(folder):
        for name, stem in zip(args.motion, stems, strict=True):
            paths = {
                kind: Path(args.out) if single else folder / f"{stem}{ENDINGS[kind]}"
                for kind in formats
            }
            try:
                with paths_as_input(), naming(name):
                    reports.append(_export(name, paths, args, phones, console))
            except InputError as error:
                console.fail(str(error))
                reports.append({"motion": name, "error": str(error)})
    console.result({"results": reports, "out": args.out})
    return 2 if any("error" in report for report in reports) else 0


@contextlib.contextmanager
def naming(name: str) -> Iterator[None]:
    """Put the motion file's name before an `InputError` that lacks it."""
    try:
        yield
    except InputError as error:
        if name in str(error):
            raise
        raise InputError(f"{name}: {error}") from error


def motion_stem(name: str) -> str:
    """Return `talk` for `out/talk.motion.npz`."""
    return Path(name).name.removesuffix(".npz").removesuffix(".motion")


def _names_a_file(out: str, kind: str) -> bool:
    ending = Path(f"name{ENDINGS[kind]}").suffix
    return kind != "obj" and Path(out).suffix == ending and not Path(out).is_dir()


def _check_out(out: str, formats: Sequence[str], *, single: bool) -> None:
    """Raise `InputError` if a folder of several results would have the ending of a file."""
    endings = {Path(f"name{ending}").suffix for ending in ENDINGS.values()} - {".obj"}
    if single or Path(out).suffix not in endings or Path(out).is_dir():
        return
    raise InputError(
        f"--out {out}: named as a file, which can hold one motion in the one format of its ending; "
        f"got {', '.join(formats)}; give a folder"
    )


def _export(
    name: str, paths: dict[str, Path], args: argparse.Namespace, phones: Phones, console: Console
) -> dict:
    from ksdiff_jax.export.writers import check_place, write_take

    stem = motion_stem(name)
    inputs = [given for given in (*args.motion, args.face, phones.file_of(stem)) if given]
    for kind, path in paths.items():
        check_place(path, kind, overwrite=args.overwrite, inputs=inputs)
    take = open_take(name, fps=args.fps, face=args.face, space=args.space, phones=phones)
    files = {}
    for kind, path in paths.items():
        started = time.perf_counter()
        write_take(path, take, kind, overwrite=args.overwrite, inputs=inputs)
        files[kind] = str(path)
        console.say(f"  wrote {path}")
        console.detail(f"    {kind}: {time.perf_counter() - started:.2f} s")
    return {"motion": name, "files": files, "frames": len(take), "fps": take.fps}


def open_take(
    name: str,
    *,
    fps: float | int | None,
    face: str | None,
    space: str,
    phones: Phones | None = None,
) -> "Take":
    """Read a motion file, its face, and the words and phones of `phones` or of the file that
    `animate` wrote beside the motion; raise `InputError` with the fault.
    """
    from ksdiff_jax.export.foreign_motion import check_ours
    from ksdiff_jax.export.take import Take
    from ksdiff_jax.face import load_face
    from ksdiff_jax.motion.clip import MotionClip

    check_ours(name)
    motion, stem = MotionClip.load(name, space=space), motion_stem(name)
    words, phonemes = words_beside(name)
    if phones is not None and phones.given:
        given = phones.read(stem, duration_s=motion.duration_s)
        words, phonemes = given.words or words, given.phones
    return Take(
        motion,
        fps or motion.fps,
        stem,
        face=load_face(face) if face else None,
        words=words,
        phonemes=phonemes,
    )


def words_beside(name: str) -> "tuple[tuple[Spoken, ...], tuple[Spoken, ...]]":
    """Return the words and the phones with their times that `animate` wrote beside a motion; empty
    if there are none. The samples `talk.1`, `talk.2` of a recording share those of `talk`.
    """
    from ksdiff_jax.speech.transcripts.encoding import read_text
    from ksdiff_jax.speech.transcripts.spoken_words import read_words

    stem = motion_stem(name)
    for own in dict.fromkeys([stem, re.sub(r"\.\d+$", "", stem)]):
        path = Path(name).parent / f"{own}.words.json"
        if path.is_file():
            return read_words(path, read_text(path))
    return (), ()
