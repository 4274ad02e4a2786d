"""Finds the transcript beside a recording.

For `talk.mp4` these names are searched; the first file of the first matching row is used:

| name | as written by |
|---|---|
| talk.ENDING | most programs |
| talk.mp4.ENDING | editors and servers that keep the whole name |
| talk.en.ENDING | players and video sites, one file per language |

ENDING is, in this order and in any case: TextGrid, lab, align, ctm, json, csv, tsv, srt, vtt, ass,
ssa, sbv, ttml, dfxp, lrc, txt. Tables and JSON count only if they are transcripts; folders and
empty files do not count. Of several languages the one marked as the original (`talk.en-orig.vtt`)
is read. Without such a mark none is read, with a warning, because a translation does not contain
the spoken words.
"""

import functools
import os
import re
import time
import unicodedata
import warnings
from pathlib import Path

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.encoding import read_text
from ksdiff_jax.speech.transcripts.recogniser_json import is_transcript
from ksdiff_jax.speech.transcripts.spoken_words import TranscriptFileWarning
from ksdiff_jax.speech.transcripts.tables import has_heading

ENDINGS = (
    ".textgrid",
    ".lab",
    ".align",
    ".ctm",
    ".json",
    ".csv",
    ".tsv",
    ".srt",
    ".vtt",
    ".ass",
    ".ssa",
    ".sbv",
    ".ttml",
    ".dfxp",
    ".lrc",
    ".txt",
)
_USUAL = {".TextGrid", *ENDINGS}
_RECOGNISED = {".json": is_transcript, ".csv": has_heading, ".tsv": has_heading}
_SETTLED_NS = 2_000_000_000  # some file systems store times in steps of 2 s
_LANGUAGE = re.compile(
    r"\.([a-z]{2,3})(?:[-_](?!orig)[a-z0-9]{2,8})*(-orig)?(?:\.(?:sdh|cc|hi|default|auto|asr|orig))*",
    re.IGNORECASE,
)


def find_sidecar(speech: str | Path) -> Path | None:
    """Return the transcript beside a recording that has its name, if there is one."""
    speech = Path(speech)
    if not speech.name:  # "." or "/": not a recording, and no file beside it
        return None
    beside = _beside(speech)
    for middle in ("", speech.suffix.lower()):
        if found := next((path for _, path in beside.get(middle, ())), None):
            return found
    return _of_one_language(
        speech, {middle: found for middle, found in beside.items() if _LANGUAGE.fullmatch(middle)}
    )


def _beside(speech: Path) -> dict[str, list[tuple[int, Path]]]:
    """Return transcripts with the recording's name, in order of priority, keyed by the part between
    that name and the extension.
    """
    stem = unicodedata.normalize("NFC", speech.stem)
    names = _transcript_names(speech.parent).get(stem, ())
    found: dict[str, list[tuple[int, Path]]] = {}
    for name in sorted(names, key=lambda name: (Path(name).suffix not in _USUAL, name)):
        rest, ending = unicodedata.normalize("NFC", name), Path(name).suffix.lower()
        middle = rest[len(stem) : -len(ending)].lower()
        is_near = middle in ("", speech.suffix.lower()) or _LANGUAGE.fullmatch(middle)
        if is_near and _is_transcript(speech.parent / name, ending, speech):
            found.setdefault(middle, []).append((ENDINGS.index(ending), speech.parent / name))
    return {middle: sorted(paths, key=lambda item: item[0]) for middle, paths in found.items()}


def _transcript_names(folder: Path) -> dict[str, list[str]]:
    """Return the names in a folder that have the ending of a transcript, by every stem of a
    recording that they may be of: `talk.en.srt` is of `talk.en` and of `talk`.

    A folder is listed once, until its time of modification changes. A folder that was modified
    recently is listed at every call, because a further change might leave that time the same.
    """
    try:
        status = folder.stat()
        if time.time_ns() - status.st_mtime_ns < _SETTLED_NS:
            return _list_transcripts(str(folder))
        return _listed_transcripts(str(folder), status.st_dev, status.st_ino, status.st_mtime_ns)
    except OSError:
        return {}


def _list_transcripts(folder: str, *_: int) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name in os.listdir(folder):  # noqa: PTH208  names only, of thousands of files
        ending = os.path.splitext(name)[1]  # noqa: PTH122
        if ending.lower() not in ENDINGS:
            continue
        rest = unicodedata.normalize("NFC", name[: -len(ending)])
        for end in (len(rest), *(at for at, letter in enumerate(rest) if letter == ".")):
            names.setdefault(rest[:end], []).append(name)
    return names


_listed_transcripts = functools.lru_cache(maxsize=64)(_list_transcripts)


def _is_transcript(path: Path, ending: str, speech: Path) -> bool:
    try:
        if not path.is_file() or path == speech or (speech.exists() and path.samefile(speech)):
            return False
        if path.stat().st_size == 0:
            warnings.warn(
                f"{path}: empty, no transcript is read from it", TranscriptFileWarning, stacklevel=4
            )
            return False
    except OSError:
        return False
    if ending not in _RECOGNISED:
        return True
    try:
        return _RECOGNISED[ending](read_text(path))
    except InputError:
        return False


def _of_one_language(speech: Path, beside: dict[str, list[tuple[int, Path]]]) -> Path | None:
    marked = {middle: found for middle, found in beside.items() if _LANGUAGE.fullmatch(middle)[2]}
    beside = marked or beside
    languages = {_LANGUAGE.fullmatch(middle)[1] for middle in beside}
    if len(languages) > 1:
        names = ", ".join(found[0][1].name for found in beside.values())
        warnings.warn(
            f"{speech}: transcripts in several languages beside it ({names}); none is read, name "
            "one with --transcript-file",
            TranscriptFileWarning,
            stacklevel=3,
        )
        return None
    return min(
        (item for found in beside.values() for item in found),
        default=(0, None),
        key=lambda item: item[0],
    )[1]
