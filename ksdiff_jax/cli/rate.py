"""`ksdiff-jax rate SYSTEM=FOLDER ... --out STUDY`: makes a study in which people rate videos;
`ksdiff-jax rate --results FILE ... --study STUDY` evaluates their answers.
"""

import argparse
from pathlib import Path

from ksdiff_jax.cli.console import Console, add_output_arguments, add_overwrite_argument
from ksdiff_jax.errors import InputError

SUMMARY = "let people rate videos, as in the paper's Table 2: the page, and mean opinion scores"
EXAMPLES = """examples:
  ksdiff-jax rate ours=out/ours diffspeaker=out/diffspeaker truth=clips --out study
                                                a page that shows one video at a time
  ksdiff-jax rate ours=out/ours truth=clips --pairs --trials 20 --out study
                                                two videos of a clip at a time, 20 pairs a person
  ksdiff-jax rate --results answers/*.json --study study --out opinions

The systems' folders hold videos of the same names. Give participants the folder STUDY/page (zipped,
or on any web server): they open index.html, and send back the file that it saves. STUDY/key.json
has the names of the systems; keep it. The first system is the one that the others are compared to.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `rate`."""
    parser.epilog = EXAMPLES
    add = parser.add_argument
    add(
        "systems",
        nargs="*",
        metavar="SYSTEM=FOLDER",
        help="the videos (mp4, webm) of a system; the same names in each folder",
    )
    add("--out", metavar="DIR", help="folder of the study, or with --results of the tables")
    add("--pairs", action="store_true", help="show the first system beside each of the others")
    add(
        "--trials",
        type=int,
        metavar="N",
        help="trials of a participant, drawn at random from all (default: all)",
    )
    add("--results", nargs="+", metavar="FILE", help="evaluate the files that participants saved")
    add("--study", metavar="DIR", help="with --results: the folder of the study")
    add(
        "--keep-unfinished",
        action="store_true",
        help="with --results: count participants who did not rate all their trials",
    )
    add_overwrite_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Make a study, or evaluate one."""
    console = Console("rate", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    if args.results:
        _only(args, ("systems", "pairs", "trials"), "--results")
        if not args.study:
            raise InputError("--results: need --study, the folder that `ksdiff-jax rate` made")
        return _evaluate(args, console)
    _only(args, ("study", "keep_unfinished"), "SYSTEM=FOLDER; they need --results")
    if not args.systems:
        raise InputError("need SYSTEM=FOLDER of two or more systems, or --results FILE ...")
    if not args.out:
        raise InputError("need --out, the folder of the study that is made")
    return _make(args, console)


def _only(args: argparse.Namespace, names: tuple[str, ...], beside: str) -> None:
    for name in names:
        if getattr(args, name):
            option = "SYSTEM=FOLDER" if name == "systems" else f"--{name.replace('_', '-')}"
            raise InputError(f"{option}: not used with {beside}; omit one of them")


def _make(args: argparse.Namespace, console: Console) -> int:
    from ksdiff_jax.outputs import check_output_folder
    from ksdiff_jax.ratings.page import KEY, STUDY_FOLDER, plan, read_key, write_study
    from ksdiff_jax.ratings.questions import CRITERIA
    from ksdiff_jax.ratings.videos import system_folders, videos_of

    out = Path(args.out)
    folders = system_folders(args.systems)
    inputs = list(folders.values())
    check_output_folder(out, STUDY_FOLDER, overwrite=args.overwrite, inputs=inputs)
    videos = videos_of(folders)
    key = plan(videos, pairs=args.pairs, per_participant=args.trials)
    if (out / KEY).exists() and not args.overwrite and (old := read_key(out).study) != key.study:
        raise InputError(
            f"--out {out}: has another study ({old}), whose answers would count no more; name "
            "another folder, or use --overwrite"
        )
    write_study(out, key, videos, inputs=inputs, overwrite=args.overwrite)
    clips = len(next(iter(videos.values())))
    console.say(f"{len(folders)} systems ({', '.join(folders)}), {clips} clips each")
    scores = key.per_participant * len(key.trials[0]) * len(CRITERIA)
    console.say(
        f"a participant gets {key.per_participant} of {len(key.trials)} trials, {scores} scores"
    )
    console.say(f"{out / 'page'} is for participants: index.html and its videos")
    console.say(f"{out / 'key.json'} has the names of the systems; keep it for --results")
    console.result(
        {"out": str(out), "study": key.study, "systems": list(folders), "trials": len(key.trials)}
        | {"clips": clips, "per_participant": key.per_participant}
    )
    return 0


def _evaluate(args: argparse.Namespace, console: Console) -> int:
    from ksdiff_jax.outputs import check_output_folder
    from ksdiff_jax.ratings.answers import read_answers, screened
    from ksdiff_jax.ratings.opinion_table import (
        OPINIONS_FOLDER,
        SCHEMA,
        as_json,
        csv_text,
        markdown,
        write_opinions,
    )
    from ksdiff_jax.ratings.opinions import comparisons, opinions, score_table
    from ksdiff_jax.ratings.page import read_key

    paths = [Path(name) for name in args.results]
    inputs = [*paths, Path(args.study)]
    if args.out:
        check_output_folder(args.out, OPINIONS_FOLDER, overwrite=args.overwrite, inputs=inputs)
    key = read_key(Path(args.study))
    counted, left_out = screened(
        [read_answers(path, key) for path in paths], keep_unfinished=args.keep_unfinished
    )
    for path, reason in left_out:
        console.warn(f"{path}: left out, {reason}")
    if not counted:
        raise InputError(
            f"none of the {len(paths)} files counts (each has its line above); need the answers of "
            "a participant, --keep-unfinished counts unfinished ones"
        )
    table = score_table(counted, key)
    scores, compared = opinions(table, key), comparisons(table, key)
    text = markdown(scores, compared)
    about = f"{len(counted)} participants, {table.shape[-1]} clips, {len(key.systems)} systems"
    for line in (about, "", *text.splitlines()):
        console.say(line)
    document = {"schema": SCHEMA, "study": key.study}
    document |= {"participants": [each.participant for each in counted]}
    document |= {"left_out": [{"file": str(p), "reason": reason} for p, reason in left_out]}
    document |= {"clips": table.shape[-1], **as_json(scores, compared)}
    if args.out:
        tables = {"opinions.md": f"{about}\n\n{text}", "opinions.csv": csv_text(scores, compared)}
        write_opinions(Path(args.out), document, tables, inputs=inputs, overwrite=args.overwrite)
        console.say(f"{args.out} has opinions.md, opinions.csv and opinions.json")
    console.result(document)
    return 0
