"""Finds the sources to prepare: every video and coefficient file below the given paths, each with
its sound and speaker.

Videos and coefficient files are recognised by their extension; in folders, `.csv` and `.json` only
if they name ARKit's weights (importing/arkit_files.py), since transcripts have these extensions
too. The sound of `clip.arkit.json` is that of `clip`. If a folder contains `clip.mp4` and
`clip.mat`, the coefficients are used, and the video provides the sound if nothing better is found.
The sound of any file may be in `--audio`, that of a coefficient file or a silent video also beside
it: under the same name, otherwise the one file whose name continues after `_` or `.`
(`clip_16k.wav` for `clip.mat`).

The speaker of `root/anna/clip1.mp4` is `anna`. If a file is in the root itself, its speaker is
unknown, and its own name is used as the speaker. `speaker_from` overrides this: "folder", "file",
or a regular expression whose first group is the speaker in the path below the root.

corpora.py describes the layouts of HDTF and VoxCeleb.
"""

import functools
import os
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ksdiff_jax.data.importing.arkit_files import SUFFIXES as ARKIT
from ksdiff_jax.data.importing.arkit_files import is_arkit_recording
from ksdiff_jax.data.prepare.source import Source
from ksdiff_jax.errors import InputError
from ksdiff_jax.plain_text import printable

VIDEOS = (
    ".mp4",
    ".mov",
    ".mkv",
    ".avi",
    ".webm",
    ".mpg",
    ".mpeg",
    ".m4v",
    ".ts",
    ".mts",
    ".m2ts",
    ".3gp",
    ".wmv",
    ".flv",
    ".ogv",
    ".vob",
)
COEFFICIENTS = (".npz", ".npy", ".pkl", ".mat", *ARKIT)
_ARKIT_NAMES = (".arkit", ".a2f", ".lam", ".talkinghead")  # before .json or .csv in our exports
SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".opus", ".aiff")


class Found(NamedTuple):
    """A file and its path below the searched root, without its extension."""

    path: Path
    name: str


def find_sources(
    paths: Sequence[str | Path],
    *,
    coefficients: str | Path = "",
    audio: str | Path = "",
    layout: str = "",
    language: str = "",
    speaker_from: str = "",
) -> list[Source]:
    """Return every source below `paths`, sorted, each with a unique name.

    `layout`: "", "hdtf" or "voxceleb".
    """
    from ksdiff_jax.data.prepare.corpora import LAYOUTS

    files = _files_below(paths)
    motion, sounds = (
        _FileIndex(coefficients, COEFFICIENTS, "--coefficients"),
        _FileIndex(audio, SOUNDS, "--audio"),
    )
    videos = {_stem(found.path): found for found in files if _ending(found.path) in VIDEOS}
    tracked = {_stem(found.path): found for found in files if _ending(found.path) in COEFFICIENTS}
    names = _unique_names(files)
    beside = functools.cache(lambda folder: _FileIndex(folder, SOUNDS, "", deep=False))
    sources = []
    for found in files:
        stem = _stem(found.path)
        if _ending(found.path) in VIDEOS and stem in tracked:
            continue  # it belongs to the coefficients of the same name
        video = videos.get(stem) if _ending(found.path) in COEFFICIENTS else found
        rows = found.path if _ending(found.path) in COEFFICIENTS else motion.find(found)
        sound = _sound(found, video, sounds, beside(found.path.parent))
        source = Source(
            names[found.path],
            video=str(video.path) if video else "",
            coefficients=str(rows or ""),
            audio=str(sound or ""),
            speaker_id=_speaker(found, speaker_from),
            language=language,
        )
        sources.append(source)
    if layout:
        sources = LAYOUTS[layout].sources(sources, [Path(path) for path in paths])
        if speaker_from:
            speakers = {str(found.path): _speaker(found, speaker_from) for found in files}
            sources = [
                replace(source, speaker_id=speakers[source.video or source.coefficients])
                for source in sources
            ]
    # Ids are text, but file names may be any bytes.
    sources = [
        replace(
            source, source_id=printable(source.source_id), speaker_id=printable(source.speaker_id)
        )
        for source in sources
    ]
    return sorted(sources, key=lambda source: source.source_id)


def _files_below(paths: Sequence[str | Path]) -> list[Found]:
    """Return the videos and coefficient files at or below `paths`, each once; raise `InputError` if
    there are none.
    """
    kinds = VIDEOS + COEFFICIENTS
    files = {found.path: found for path in paths for found in files_with_endings(Path(path), kinds)}
    if not files:
        raise InputError(
            f"{', '.join(map(str, paths))}: no video and no coefficient file "
            f"({' '.join(VIDEOS)}; "
            f"{' '.join(COEFFICIENTS)})"
        )
    return list(files.values())


class _FileIndex:
    """The files of a folder by their path below it and by stem."""

    def __init__(
        self, folder: str | Path, endings: Sequence[str], option: str, *, deep: bool = True
    ):
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        if folder and not Path(folder).is_dir():
            raise InputError(f"{option} {folder}: no such folder")
        for found in files_with_endings(Path(folder), endings, deep=deep) if folder else ():
            for name in {found.name, _stem(found.path).name}:
                self._by_name[name].append(found.path)
        self._names = sorted(self._by_name)

    def find(self, wanted: Found) -> Path | None:
        """Return the file of that name: the path below the root has priority, then the stem, then a
        name that continues the stem.
        """
        stem = _stem(wanted.path).name
        for name in (wanted.name, stem):
            if paths := self._by_name.get(name):
                return _best(paths)
        longer: set[Path] = set()
        for start in (f"{stem}_", f"{stem}."):
            for name in self._names[bisect_left(self._names, start) :]:
                if not name.startswith(start):
                    break
                longer.update(self._by_name[name])
        return _only(longer)


def files_with_endings(root: Path, endings: Sequence[str], *, deep: bool = True) -> list[Found]:
    """Return files with these extensions at or below `root`, sorted; hidden ones are skipped, and
    in a folder text files that are no recording of ARKit's weights.
    """
    if root.is_file():
        return [Found(root, _stem(root).name)] if _ending(root) in endings else []
    if not root.is_dir():
        raise InputError(f"{root}: no such file or folder")
    found = []
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if deep and not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if name.startswith(".") or _ending(path) not in endings:
                continue
            if _ending(path) not in ARKIT or is_arkit_recording(path):
                found.append(Found(path, _stem(path.relative_to(root)).as_posix()))
    return found


def _stem(path: Path) -> Path:
    """Return the path without its extension, `talk` also for `talk.arkit.json`."""
    stem = path.with_suffix("")
    double = _ending(path) in ARKIT and _ending(stem) in _ARKIT_NAMES
    return stem.with_suffix("") if double else stem


def _unique_names(files: Sequence[Found]) -> dict[Path, str]:
    """Return a source id per file: its path below the root; if that is not unique, more of the
    path, then the extension.
    """
    names = {found.path: found.name for found in files}
    for longer in (lambda path: path.with_suffix("").as_posix(), Path.as_posix):
        # A video and coefficients of one name in one folder are one source and share one name.
        kinds = {path: (name, _ending(path) in VIDEOS) for path, name in names.items()}
        same_kind = Counter(kinds.values())
        folders = defaultdict(set)
        for path, name in names.items():
            folders[name].add(path.parent)
        names = {
            path: longer(path).lstrip("/")
            if same_kind[kinds[path]] > 1 or len(folders[name]) > 1
            else name
            for path, name in names.items()
        }
    return names


def _sound(
    found: Found, video: Found | None, sounds: _FileIndex, beside: _FileIndex
) -> Path | None:
    """Return the recording of a file: the requested one, otherwise none if the video has its own,
    otherwise one beside it.
    """
    if asked_for := sounds.find(found):
        return asked_for
    candidate = beside.find(Found(found.path, _stem(found.path).name))
    if video is None or candidate is None:
        return candidate
    from ksdiff_jax.data.tracking.video import has_sound

    return None if has_sound(str(video.path)) else candidate


def _best(paths: Sequence[Path]) -> Path | None:
    """Return the only file, or the first of several in one folder (`a.wav`, `a.mp3`); None for
    files of several folders.
    """
    return paths[0] if len({path.parent for path in paths}) == 1 else None


def _only(paths: Iterable[Path]) -> Path | None:
    distinct = set(paths)
    return distinct.pop() if len(distinct) == 1 else None


def _ending(path: Path) -> str:
    return path.suffix.lower()


def _speaker(found: Found, speaker_from: str) -> str:
    if speaker_from == "file":
        return found.path.stem
    if speaker_from == "folder":
        return found.path.parent.name
    if not speaker_from:
        return Path(found.name).parent.name or found.path.stem
    try:
        match = re.search(speaker_from, found.name)
    except re.error as error:
        raise InputError(
            f"--speaker-from {speaker_from}: not a regular expression ({error})"
        ) from error
    if match is None:
        raise InputError(
            f"--speaker-from {speaker_from}: does not match {found.name!r}; it must match every "
            "source"
        )
    return match.group(1) if match.groups() else match.group()
