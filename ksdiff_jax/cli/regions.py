"""`ksdiff-jax regions SHARDS --out DIR`: determines the dimensions of a data set's motion that move
the lips and those that move the eyes.

A DisentTalk model of that data needs them as `model.regions.lip` and `model.regions.eye`.
"""

import argparse
from pathlib import Path

from ksdiff_jax.cli.console import Console, add_output_arguments, add_overwrite_argument
from ksdiff_jax.cli.results_folder import results_folder
from ksdiff_jax.errors import InputError

SUMMARY = "find the dimensions of the motion that move the lips, the eyes and the rest of the face"
OUTPUTS = ("regions.json", "regions.png")
PURPOSE = "regions"
DRAWN_CLIPS = 200  # clips that are searched for the frames of the picture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = """examples:
  ksdiff-jax regions corpus --out regions
  ksdiff-jax regions shards --lip 10 --eye 6 --statistic mean --out regions
  ksdiff-jax regions shards --clips 100 --out regions
  ksdiff-jax regions bfm --neutral-lips closed-lips --neutral-eyes closed-eyes --out regions
  ksdiff-jax regions mine --face FLAME.npz --landmarks embedding.npz --out regions

A region consists of the dimensions that differ most, relative to their standard deviation, between
a clip and the same clip with that region neutral. Clips of the built-in corpus are compared with
the same clips with lip or lid actions at rest. Tracked clips are fitted again to their landmarks
with lips or lids closed. This takes three fits per clip, so set a number of --clips. For other
clips, provide the neutral clips as two data sets.
"""
    add = parser.add_argument
    add("shards", metavar="SHARDS", help="folder of a data set")
    add("--out", required=True, metavar="DIR", help="folder for regions.json and regions.png")
    add_overwrite_argument(parser)
    add("--split", default="train", help="split of the data set (default: train)")
    add("--clips", type=int, metavar="N", help="use the first N clips (default: the whole split)")
    chosen = parser.add_argument_group("how dimensions are chosen")
    chosen.add_argument("--lip", type=int, default=13, metavar="K", help="for the lips; default 13")
    chosen.add_argument("--eye", type=int, default=8, metavar="K", help="for the eyes; default 8")
    chosen.add_argument(
        "--statistic",
        choices=("max", "mean"),
        default="max",
        help="of the difference over all frames (default: max)",
    )
    pairs = parser.add_argument_group("clips with a region neutral")
    for name in ("lips", "eyes"):
        pairs.add_argument(
            f"--neutral-{name}",
            default="",
            metavar="DIR",
            help=f"data set of the same clips with {name} neutral (default: computed)",
        )
    pairs.add_argument(
        "--face", default="", metavar="FILE", help="face of the clips, if it is a FLAME model"
    )
    pairs.add_argument(
        "--landmarks", default="", metavar="FILE", help="positions of the landmarks on that face"
    )
    add(
        "--space",
        default="",
        metavar="NAME",
        help="motion space of the coefficients (builtin, flame, bfm), for a data set of an earlier "
        "version that does not show it",
    )
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Choose the dimensions, print them, and write the picture and the JSON file."""
    from ksdiff_jax.data.description import dataset_info
    from ksdiff_jax.data.earlier_space import known_space
    from ksdiff_jax.data.regions.found import as_json, find_regions
    from ksdiff_jax.motion.space import SPACES
    from ksdiff_jax.outputs import write_document

    console = Console("regions", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    if args.clips is not None and args.clips < 1:
        raise InputError(f"--clips {args.clips}: need 1 or more")
    space = SPACES[known_space(args.shards, given=args.space)]
    clips = _Clips(args.shards, args.split, count=args.clips, space=space.name)
    out = _checked_out(args)
    with results_folder(out):
        face, neutral = _face_and_neutral(args, clips, space.name)
        with console.progress("clips", unit="clips") as update:
            found = find_regions(
                clips,
                neutral,
                space=space,
                sizes={"lip": args.lip, "eye": args.eye},
                statistic=args.statistic,
                progress=lambda done: update(done, len(clips)),
            )
        report = as_json(found, data=_data(dataset_info(args.shards), args.split))
        _draw(out / "regions.png", found, clips, face=face, overwrite=args.overwrite)
        write_document(out / "regions.json", report, overwrite=args.overwrite)
    for line in _lines(found, {"lip": args.lip, "eye": args.eye}):
        console.say(line)
    console.say(f"regions.json and regions.png are in {out}")
    console.result(report)
    return 0


class _Clips:
    """The first clips of a split, read again in every pass."""

    def __init__(self, folder: str, split: str, *, count: int | None, space: str):
        from ksdiff_jax.data.shards import ShardReader

        self._reader = ShardReader(folder, split, space=space)
        self._count = min(count or len(self._reader), len(self._reader))

    def __len__(self) -> int:
        return self._count

    def __iter__(self):
        return (self._reader[place] for place in range(self._count))


def _checked_out(args: argparse.Namespace) -> Path:
    from ksdiff_jax.outputs import check_output, same_place

    out = Path(args.out)
    inputs = list(
        filter(None, (args.shards, args.neutral_lips, args.neutral_eyes, args.face, args.landmarks))
    )
    if same := next((name for name in inputs if same_place(out, name)), None):
        raise InputError(f"--out {out}: would write into the input {same}; name another folder")
    for name in OUTPUTS:
        check_output(out / name, PURPOSE, overwrite=args.overwrite, inputs=inputs)
    return out


def _face_and_neutral(args: argparse.Namespace, clips: _Clips, space: str):
    """Return the face to draw (None if there is none of the space), and the source of neutral
    clips.
    """
    from ksdiff_jax.data.regions.changes import Neutral
    from ksdiff_jax.data.regions.neutral_given import partners
    from ksdiff_jax.face import builtin_face, check_face, load_face
    from ksdiff_jax.face.landmarks import builtin_landmarks, landmark_model, read_landmarks

    face = load_face(args.face) if args.face else builtin_face()
    if args.face:
        check_face(face, space, what=args.shards)
    elif args.landmarks:
        raise InputError(f"--landmarks {args.landmarks}: name the --face that it belongs to")
    embedding = None
    if args.landmarks:
        embedding = read_landmarks(args.landmarks, face)
    elif face.space == space and not args.face:
        embedding = builtin_landmarks()
    given = {
        region: partners(clips, folder, split=args.split, space=space)
        for region, folder in (("lip", args.neutral_lips), ("eye", args.neutral_eyes))
        if folder
    }
    landmarks = (landmark_model(face, embedding), embedding) if embedding else None
    return face if face.space == space else None, Neutral(given, landmarks)


def _data(info, split: str) -> dict:
    """Return a description of the clips: how they were made, and a digest over the checksums of the
    split's shards.
    """
    import hashlib

    part = info.splits[split]
    return {
        "made_by": info.made_by,
        "split": split,
        "clips_of_split": part.clips,
        "digest": hashlib.sha256("".join(part.sha256).encode()).hexdigest(),
    }


def _draw(path: Path, found, clips: _Clips, *, face, overwrite: bool) -> None:
    from itertools import islice

    from ksdiff_jax.data.regions.changes import expression_of
    from ksdiff_jax.data.regions.extremes import farthest_frames
    from ksdiff_jax.export.region_picture import (
        RegionFaces,
        movement_metric,
        movements,
        write_regions,
    )

    faces = None
    if face is not None:
        mean, std = found.tally.mean(), found.tally.std()
        motions = (expression_of(clip) for clip in islice(clips, DRAWN_CLIPS))
        moved = movements(face, mean=mean, std=std)
        metric = movement_metric(moved, std)
        frames = farthest_frames(motions, found.regions, mean=mean, metric=metric)
        faces = RegionFaces(face, moved, mean, frames)
    title = f"regions of {found.tally.clips:,} clips in {found.space.name}, {found.statistic}"
    write_regions(path, found.regions, found.ratios, faces=faces, title=title, overwrite=overwrite)


def _lines(found, sizes: dict[str, int]) -> list[str]:
    """Return the lines of the table, the agreement and the options."""
    from ksdiff_jax.data.regions.found import dimension_names

    names = dimension_names(found.space)
    lines = []
    for region, ratios in found.ratios.items():
        agreement, size = found.agreement[region], len(found.regions[region])
        pairs = ", ".join(f"{count:,} by {kind}" for kind, count in found.pairs[region].items())
        lines.append(f"{region}: {size} dimensions of {len(names)} ({pairs})")
        if size < sizes[region]:
            lines.append(f"  {sizes[region]} were requested; no other moves with the {region}")
        lines += [
            f"  {number:>3}  {names[number]:<13}  {ratios[number]:8.2f}"
            for number in found.regions[region]
        ]
        if agreement.mean == agreement.mean:  # not NaN
            lines.append(
                f"  agreement of two halves of the clips: Jaccard {agreement.mean:.2f} "
                f"[{agreement.low:.2f}, {agreement.high:.2f}], 95 % of random splits"
            )
    lines.append(f"global: the other {len(found.regions['global'])} dimensions")
    return [*lines, "", " ".join(f"{name} {value}" for name, value in found.options.items()), ""]
