"""Subtitles, `.srt` and `.vtt`: blocks of a time line and text, in the two dialects that the web knows.

    1                                        WEBVTT
    00:00:01,000 --> 00:00:02,500
    What is <i>said</i>.                     00:01.000 --> 00:02.500 line:0
                                             <v Ada>What is said.

Tags are dropped, as are comments, styles and regions of WebVTT. Rolling captions show each line again with the next
one: a line that stood in the block before counts once.
"""

import html
import re
from pathlib import Path

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript, ordered

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_TAG = re.compile(r"<[^<>]*>|\{\\[^}]*\}")
_VTT_ASIDES = ("NOTE", "STYLE", "REGION", "WEBVTT")


def read_srt(path: Path, text: str) -> Transcript:
    """The lines of a SubRip file."""
    return _read(path, text)


def read_vtt(path: Path, text: str) -> Transcript:
    """The lines of a WebVTT file."""
    if not text.startswith("WEBVTT"):
        raise InputError(f"{path}, line 1: a WebVTT file begins with WEBVTT; this begins with {text[:20]!r}")
    return _read(path, text)


def _read(path: Path, text: str) -> Transcript:
    spoken: list[Spoken] = []
    numbers: list[int] = []
    shown: list[str] = []
    for first, block in _blocks(text):
        at = next((index for index, line in enumerate(block) if "-->" in line), None)
        if at is None:
            if block[0].split(maxsplit=1)[0] in _VTT_ASIDES and path.suffix == ".vtt":
                continue
            raise InputError(
                f"{path}, line {first}: {block[0][:60]!r}; need a time line such as 00:00:01,000 --> 00:00:02,500"
            )
        times = _TIMES.fullmatch(block[at])
        if times is None:
            raise InputError(
                f"{path}, line {first + at}: {block[at][:60]!r} is no time line such as 00:00:01,000 --> 00:00:02,500"
            )
        lines = [line for line in (_bare(line) for line in block[at + 1 :]) if line]
        fresh = [line for line in lines if line not in shown]
        shown = lines
        if fresh:
            start_s, end_s = _seconds(times.groups()[:4]), _seconds(times.groups()[4:])
            spoken.append(Spoken(" ".join(fresh), start_s, end_s))
            numbers.append(first + at)
    lines_in_time = ordered(spoken, path=path, lines=numbers)
    return Transcript(" ".join(line.text for line in lines_in_time), str(path), "line", lines_in_time)


def _blocks(text: str) -> list[tuple[int, list[str]]]:
    """(Number of its first line, lines) of every run of lines that are not empty."""
    blocks: list[tuple[int, list[str]]] = []
    open_block = False
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            open_block = False
        elif open_block:
            blocks[-1][1].append(line)
        else:
            blocks.append((number, [line]))
            open_block = True
    return blocks


def _bare(line: str) -> str:
    return " ".join(html.unescape(_TAG.sub("", line)).split())


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = parts
    return 3600 * int(hours or 0) + 60 * int(minutes) + int(seconds) + int(fraction) / 10 ** len(fraction)
