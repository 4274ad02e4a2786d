"""`ksdiff-jax corpus --out DIR`: makes the built-in corpus and writes it as shards.

With `--pictures`, every clip also has pictures of its own person, for systems that paint faces.
With `--speech`, the clips are the recordings of a folder instead, labelled by the times of their
phones. With `--encoder`, the shards also store the features of a pretrained speech encoder, so that
training need not compute them. With `--from` as well, the features are added to a copy of any data
set. `--portrait FILE.png` makes a picture of one drawn person instead, as no corpus shows it.
"""

import argparse
import time

from ksdiff_jax.cli.console import Console, add_output_arguments, add_overwrite_argument
from ksdiff_jax.errors import InputError

SUMMARY = "make the built-in corpus: synthesised speech with face motion, as shards to train on"
SECONDS_BETWEEN_LINES = 10.0
FEWEST_CLIPS_TO_JUDGE = 64
DEFAULT_CLIPS = 2000
PORTRAIT = "rendered-portrait"  # the purpose of its file
OF_DATA_SETS = (
    *("out", "clips", "languages", "voices", "pictures", "processes", "speech", "speaker"),
    *("phones", "licence", "encoder", "source", "space"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = """examples:
  ksdiff-jax corpus --out corpus --clips 200
  ksdiff-jax corpus --out corpus --clips 2000 --seed 1 --languages en es fr de
  ksdiff-jax corpus --out mixed --voices espeak flite kokoro=kokoro_files
  ksdiff-jax corpus --out rest --voices none --clips 200
  ksdiff-jax corpus --out measured --targets measured
  ksdiff-jax corpus --out faces --clips 400 --pictures 64
  ksdiff-jax corpus --portrait head.png --seed 3    one picture, for animate --portrait
  ksdiff-jax corpus --out spoken --speech recordings
  ksdiff-jax corpus --out encoded --from corpus --encoder encoders/wav2vec2-base
"""
    parser.add_argument(
        "--out", metavar="DIR", help="folder of the data set, needed; replaced if it is one"
    )
    add_overwrite_argument(parser)
    parser.add_argument(
        "--clips",
        type=int,
        default=DEFAULT_CLIPS,
        metavar="N",
        help=f"clips of 3-9 s; default {DEFAULT_CLIPS}",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="the same seed gives the same corpus; default 0",
    )
    parser.add_argument(
        "--languages",
        nargs="+",
        metavar="L",
        help="such as en es fr de it pt zh nl ru; default all",
    )
    parser.add_argument(
        "--voices",
        nargs="+",
        metavar="V",
        help="espeak, flite (English; the program, or flite=PATH) and kokoro=DIR (English, es, fr, "
        "it, pt; the package kokoro-onnx and a folder with its model), or none: music, hum and "
        "noise without speech; each for an equal share of the clips; default espeak",
    )
    _add_making_arguments(parser)
    _add_picture_arguments(parser.add_argument_group("pictures of drawn people"))
    _add_speech_arguments(parser.add_argument_group("recordings instead of synthesis"))
    _add_feature_arguments(parser.add_argument_group("features of a pretrained speech encoder"))
    add_output_arguments(parser)
    parser.set_defaults(defaults=parser.get_default)


def _add_making_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--targets",
        default="phonetic",
        metavar="T",
        help="table of the mouth's targets: phonetic (default), measured (fitted to real people's "
        "mouth openings) or a file of such a fit; for --speech too",
    )
    parser.add_argument(
        "--processes",
        type=int,
        metavar="N",
        help="worker processes; default one per core, at most 4",
    )


def _add_picture_arguments(pictures: argparse._ArgumentGroup) -> None:
    pictures.add_argument(
        "--pictures",
        type=int,
        metavar="PIXELS",
        help="render the built-in head as well, each clip as another person in another light, in "
        "pictures of this side: 64 to train a small system that paints faces",
    )
    pictures.add_argument(
        "--portrait",
        metavar="FILE",
        help="write a picture (.png) of one drawn person of the --seed, whom no corpus shows, "
        "instead of a data set: for `animate --portrait` without anybody's photograph",
    )


def _add_feature_arguments(features: argparse._ArgumentGroup) -> None:
    features.add_argument(
        "--encoder",
        metavar="PATH",
        help="store the features of this pretrained encoder too: folder of `convert encoder`, or "
        "hub name",
    )
    features.add_argument(
        "--from",
        dest="source",
        metavar="DIR",
        help="with --encoder: use the clips of this data set instead of making any",
    )
    features.add_argument(
        "--space",
        default="",
        metavar="NAME",
        help="with --from: motion space (builtin, flame, bfm) of a data set "
        "of an earlier version that does not record it",
    )


def _add_speech_arguments(speech: argparse._ArgumentGroup) -> None:
    speech.add_argument(
        "--speech",
        metavar="DIR",
        help="recordings (wav, flac, ...), each with the times of its phones beside it (.TextGrid, "
        ".lab), or with its English words (.txt) where pocketsphinx is installed; folders in DIR "
        "are speakers",
    )
    speech.add_argument(
        "--speaker", default="", metavar="NAME", help="one speaker of all recordings of --speech"
    )
    speech.add_argument(
        "--phones",
        nargs="+",
        default=[],
        metavar="NAME=IPA",
        help="IPA of phone names that are not ARPABET, X-SAMPA or IPA, such as 'rr=r' or, for "
        "silence, 'noise='",
    )
    speech.add_argument(
        "--licence", default="", metavar="TEXT", help="of the recordings, for dataset.json"
    )


def run(args: argparse.Namespace) -> int:
    """Write the corpus and print its contents."""
    from pathlib import Path

    from ksdiff_jax.outputs import check_output_folder
    from ksdiff_jax.ownership import DATA_SET

    console = Console("corpus", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    if args.seed < 0:
        raise InputError(f"--seed is {args.seed}; it must be 0 or more")
    if args.processes is not None and args.processes < 1:
        raise InputError(f"--processes is {args.processes}; it must be 1 or more")
    if args.portrait is not None:
        return _portrait(args, console)
    if args.out is None:
        raise InputError("nothing to write; name the folder of the data set with --out DIR")
    out = Path(args.out)
    if args.source and not args.encoder:
        raise InputError(
            f"--from {args.source}: name the --encoder whose features are to be added to its clips"
        )
    _check_speech(args)
    _check_pictures(args)
    _check_targets(args)
    inputs = filter(None, (args.source, args.encoder, args.speech))
    check_output_folder(out, DATA_SET, overwrite=args.overwrite, inputs=inputs)
    encoder = _encoder(args.encoder)
    started = time.monotonic()
    made = _recorded if args.speech else _made
    info = None if args.source else made(args, out, console)
    if encoder is not None:
        info = _encoded(
            Path(args.source or args.out),
            out,
            encoder,
            console,
            overwrite=args.overwrite,
            space=args.space,
        )
    seconds = time.monotonic() - started
    for name, split in info.splits.items():
        console.say(
            f"{name:<5}  {split.clips:>6} clips  {split.hours * 60:8.1f} min  {len(split.shards)} "
            "shards"
        )
    console.say(f"{out}: written in {seconds:.0f} s")
    splits = {
        name: {"clips": split.clips, "hours": split.hours} for name, split in info.splits.items()
    }
    console.result({"out": str(out), "seconds": round(seconds, 1), "splits": splits})
    return 0


def _portrait(args: argparse.Namespace, console: Console) -> int:
    """Write the picture of a drawn person."""
    for name in OF_DATA_SETS:
        if getattr(args, name) != args.defaults(name):
            option = "--from" if name == "source" else f"--{name}"
            raise InputError(
                f"--portrait {args.portrait} {option}: the picture is of no data set; leave one of "
                "them out"
            )
    if not args.portrait.lower().endswith(".png"):
        raise InputError(f"--portrait {args.portrait}: need a file named .png")
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    from ksdiff_jax.outputs import writing
    from ksdiff_jax.ownership import mark
    from ksdiff_jax.pictures.rendered import rendered_portrait

    info = PngInfo()
    info.add_text("Software", mark(PORTRAIT))
    with writing(args.portrait, PORTRAIT, overwrite=args.overwrite) as temporary:
        picture = rendered_portrait(args.seed)
        Image.fromarray(picture).save(temporary, "PNG", pnginfo=info)
    height, width = picture.shape[:2]
    console.say(f"{args.portrait}: a drawn person, {width} x {height} pixels")
    console.result({"portrait": args.portrait, "seed": args.seed, "size": [width, height]})
    return 0


def _check_speech(args: argparse.Namespace) -> None:
    """Raise `InputError` for options that do not go together."""
    if args.speech is None:
        for option in ("speaker", "phones", "licence"):
            if getattr(args, option):
                raise InputError(f"--{option} is about recordings; name their folder by --speech")
    elif args.voices:
        raise InputError(f"--speech {args.speech} has its own voices; leave --voices out")
    elif args.source:
        raise InputError(
            f"--speech {args.speech} and --from {args.source}: one of them; add the features of "
            "--encoder to the clips of --speech in the same call"
        )
    elif len(args.languages or ()) > 1:
        raise InputError(
            f"--languages {' '.join(args.languages)}: recordings are of one language; name it alone"
        )
    if wrong := [pair for pair in args.phones if not pair.partition("=")[1]]:
        raise InputError(f"--phones {wrong[0]}: NAME=IPA is needed, such as 'rr=r'")


def _check_targets(args: argparse.Namespace) -> None:
    """Raise `InputError` for a table of targets that does not exist, or for clips that are not made
    here.
    """
    from ksdiff_jax.data.corpus.targets import named_targets, targets_option

    named_targets(args.targets)
    if args.source and (option := targets_option(args.targets).strip()):
        raise InputError(f"--from {args.source}: its clips have their mouths; leave {option} out")


def _check_pictures(args: argparse.Namespace) -> None:
    """Raise `InputError` for pictures of a size that is not possible, or of clips that are not
    made here.
    """
    if args.pictures is None:
        return
    from ksdiff_jax.pictures.rendered import Renderer

    Renderer(args.pictures)
    if other := next((name for name in ("source", "speech") if getattr(args, name)), ""):
        option = {"source": "--from", "speech": "--speech"}[other]
        raise InputError(
            f"--pictures {args.pictures} {option} {getattr(args, other)}: pictures are rendered of "
            "the built-in corpus; leave one of them out"
        )


def _recorded(args: argparse.Namespace, out, console: Console):
    """Write the recordings of `--speech` into `out`."""
    from pathlib import Path

    from ksdiff_jax.data.corpus.recordings.read import read_speech
    from ksdiff_jax.data.corpus.recordings.write import LICENCE, times_from, write_speech

    folder = Path(args.speech)
    given = dict(pair.split("=", 1) for pair in args.phones)
    with console.progress("alignment", unit="recordings") as update:
        speech = read_speech(folder, speaker=args.speaker, phones=given, progress=update)
    people = len({recording.speaker_id for recording in speech.recordings})
    console.say(
        f"{folder}: {len(speech.recordings):,} recordings, {people} speakers; {times_from(speech)}"
    )
    with console.progress("corpus", unit="recordings") as update:
        return write_speech(
            out,
            speech,
            name=folder.resolve().name,
            seed=args.seed,
            language=(args.languages or [""])[0],
            licence=args.licence or LICENCE,
            targets=args.targets,
            progress=_Progress(console, update, total=len(speech.recordings), unit="recordings"),
            overwrite=args.overwrite,
        )


def _encoder(path: str | None):
    """Load the encoder at `path` before any clip is made, so that a wrong path fails at once."""
    if path is None:
        return None
    from ksdiff_jax.cli.device import keep_compilations
    from ksdiff_jax.speech.load import load_encoder

    keep_compilations()
    return load_encoder(path)


def _made(args: argparse.Namespace, out, console: Console):
    """Write the built-in corpus into `out`."""
    from ksdiff_jax.data.corpus.sentences import LANGUAGES
    from ksdiff_jax.data.corpus.voices import ESPEAK
    from ksdiff_jax.data.corpus.write import Recipe, write_corpus

    drawn = None
    if args.pictures is not None:
        from ksdiff_jax.pictures.rendered import Renderer

        drawn = Renderer(args.pictures, args.seed)
    with console.progress("corpus", unit="clips") as update:
        return write_corpus(
            out,
            Recipe(
                args.seed,
                tuple(args.languages or LANGUAGES),
                tuple(args.voices or ESPEAK),
                args.targets,
            ),
            clips=args.clips,
            processes=args.processes,
            progress=_Progress(console, update, total=args.clips),
            overwrite=args.overwrite,
            drawn=drawn,
        )


def _encoded(source, out, encoder, console: Console, *, overwrite: bool, space: str):
    """Write the clips of `source` with features into `out`."""
    from ksdiff_jax.data.features import write_features
    from ksdiff_jax.data.shards import dataset_info

    clips = sum(split.clips for split in dataset_info(source).splits.values())
    console.say(f"speech features of {clips:,} clips by {encoder.source}")
    with console.progress("features", unit="clips") as update:
        progress = _Progress(console, update, total=clips)
        options = {"progress": progress, "overwrite": overwrite, "space": space}
        return write_features(source, out, encoder=encoder, **options)


class _Progress:
    """Shows a bar on a terminal (the console's), otherwise a plain line every ten seconds."""

    def __init__(self, console: Console, update, *, total: int, unit: str = "clips"):
        self._console, self._update, self._total, self._unit = console, update, total, unit
        self._started = self._last = time.monotonic()

    def __call__(self, done: int) -> None:
        import sys

        self._update(done, self._total)
        now = time.monotonic()
        if not sys.stderr.isatty() and now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            left_s = (now - self._started) / done * (self._total - done)
            # Clips arrive in blocks: the first few do not predict the time for the rest.
            left = f", about {left_s:.0f} s left" if done >= FEWEST_CLIPS_TO_JUDGE else ""
            self._console.say(f"{done}/{self._total} {self._unit}{left}")
