"""The recordings that `ksdiff-jax animate` is asked for: files, folders, patterns, a list.

| given | recordings |
|---|---|
| a file, or - | itself |
| a folder | files below it with the ending of a sound or a video, except videos of animate |
| a pattern with * ? or [ | the files that match; ** also matches folders |
| --from-list FILE | one path per line; empty lines and lines that begin with # are ignored |

With a folder, a pattern or a list, the command works through many files: see `animate_many`.
"""

import argparse
import glob
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ksdiff_jax.cli.animate_outputs import LONGEST_STEM, PURPOSES
from ksdiff_jax.errors import InputError
from ksdiff_jax.outputs import stored_alike
from ksdiff_jax.ownership import purpose_of
from ksdiff_jax.plain_text import fitting

_PATTERN = frozenset("*?[")


class Recording(NamedTuple):
    """One recording of many: its absolute path, and the name of its results below the output
    folder.
    """

    path: str
    name: str


def add_many_arguments(group: argparse._ArgumentGroup) -> None:
    """Add the options for many recordings."""
    group.add_argument(
        "--from-list",
        metavar="FILE",
        help="animate the recordings that FILE names, one path per line; - is standard input",
    )
    group.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help="recordings of similar length that are sampled together; default 1 on a CPU, 8 on an "
        "accelerator",
    )
    group.add_argument(
        "--hosts",
        type=int,
        metavar="N",
        help="this is one of N processes that share the work, with the same command otherwise; "
        "default: what Slurm, Open MPI, Kubernetes or launch/ set, or 1",
    )
    group.add_argument(
        "--host-index", type=int, metavar="K", help="the number of this process, from 0 to N - 1"
    )


def asks_for_many(args: argparse.Namespace) -> bool:
    """Return whether the command names a folder, a pattern, a list or several hosts."""
    return (
        args.from_list is not None
        or args.hosts is not None
        or args.host_index is not None
        or any(Path(given).is_dir() or _is_pattern(given) for given in args.speech)
    )


def find_recordings(args: argparse.Namespace) -> list[Recording]:
    """Return every recording once, in a stable order; raise `InputError` for a folder, a pattern or
    a list without any.
    """
    found: dict[str, Recording] = {}
    for given in args.speech:
        for recording in _expanded(given, out=args.out):
            found.setdefault(recording.path, recording)
    if args.from_list is not None:
        for path in _listed(args.from_list):
            absolute = os.path.abspath(path)  # noqa: PTH100  Path.absolute keeps ".."
            found.setdefault(absolute, Recording(absolute, Path(path).stem))
    return list(found.values())


def with_distinct_names(
    recordings: Iterable[Recording], *, kept: Mapping[str, str], folder: str | Path
) -> list[Recording]:
    """Return the recordings with names that `folder` stores as different ones.

    `kept` are the names by path that earlier runs have used. They stay, so that results of an
    earlier run are found again when the list of recordings has grown.
    """
    alike = stored_alike(folder)
    taken = {alike(name) for name in kept.values()}
    named = []
    for recording in recordings:
        if recording.path in kept:
            named.append(recording._replace(name=kept[recording.path]))
            continue
        above, _, last = recording.name.rpartition("/")
        own = f"{above}/" * bool(above) + fitting(last, max_bytes=LONGEST_STEM)
        name, number = own, 1
        while alike(name) in taken:
            number += 1
            name = f"{own}-{number}"
        taken.add(alike(name))
        named.append(recording._replace(name=name))
    return named


def _is_pattern(given: str) -> bool:
    return not _PATTERN.isdisjoint(given) and not os.path.lexists(given)


def _expanded(given: str, *, out: str) -> Iterator[Recording]:
    if Path(given).is_dir():
        yield from _below(Path(given), out=out)
    elif _is_pattern(given):
        matches = sorted(glob.glob(given, recursive=True))  # noqa: PTH207  of any depth and folder
        files = [match for match in matches if not Path(match).is_dir()]
        if not files:
            raise InputError(f"{given}: no file matches this pattern")
        for file in files:
            if not _is_own_video(Path(file)):
                yield Recording(os.path.abspath(file), Path(file).stem)  # noqa: PTH100
    else:
        yield Recording(os.path.abspath(given), Path(given).stem)  # noqa: PTH100


def _below(folder: Path, *, out: str) -> Iterator[Recording]:
    from ksdiff_jax.data.prepare.layouts import SOUNDS, VIDEOS, files_with_endings

    results = Path(out).resolve()
    apart = results != folder.resolve()  # results beside the recordings are told by their mark
    count = 0
    for path, name in files_with_endings(folder, SOUNDS + VIDEOS):
        if (apart and results in path.resolve().parents) or _is_own_video(path):
            continue
        count += 1
        yield Recording(os.path.abspath(path), name)  # noqa: PTH100
    if not count:
        raise InputError(
            f"{folder}: no recording in this folder; need files with the ending of a sound or a "
            "video, as .wav"
        )


def _is_own_video(path: Path) -> bool:
    return path.suffix.lower() == ".mp4" and purpose_of(path) == PURPOSES["mp4"]


def _listed(name: str) -> list[str]:
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise InputError(
            f"--from-list {name}: cannot be read ({(error.strerror or 'error').lower()}); need a "
            "text file with one path per line"
        ) from error
    lines = [os.fsdecode(line).strip() for line in content.splitlines()]
    paths = [line for line in lines if line and not line.startswith("#")]
    if not paths:
        raise InputError(f"--from-list {name}: names no recording; need one path per line")
    if "\0" in "".join(paths):
        raise InputError(f"--from-list {name}: not a text file; need one path per line")
    return paths
