"""Reads lines that begin with a time: lyrics (`.lrc`), notes of a meeting, the transcript shown
beside a video.

    [ar:Ada]                    [00:01] What is said,        0:01              Ada  0:01
    [00:01.50]What is           [00:03] and then.            What is said,     What is said,
    [00:02.00][00:08.00]said.                                0:03              Bob  0:03
                                                             and then.         and then.

A line lasts until the next one. The end of the last line is not known, so it equals its start.
Lyrics may time words, `<00:01.50>What <00:01.80>is`, repeat a line at several times, and shift all
times by `[offset:+250]`, in milliseconds towards the start.
"""

import re
from pathlib import Path

from ksdiff_jax.speech.transcripts.broken_lines import BrokenLines, NumberedText, timed_transcript
from ksdiff_jax.speech.transcripts.cues import seconds
from ksdiff_jax.speech.transcripts.never_spoken import spoken_text, without_names
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript

_Piece = tuple[str, float | None]  # text, and its own start time

_CLOCK = r"(?:(\d{1,3}):)?(\d{1,4}):([0-5]\d)(?:[.:,](\d{1,9}))?"
# the end, if it is given
_TO = r"(?:[ \t]*[-–—][ \t]*(?:\d{1,3}:)?\d{1,4}:[0-5]\d(?:[.:,]\d{1,9})?)?"
_IN_BRACKETS = re.compile(rf"[ \t]*[\[(]{_CLOCK}{_TO}[\])][ \t]*(?:[-–—:][ \t]+)?")
_BARE = re.compile(rf"[ \t]*{_CLOCK}{_TO}(?:[ \t]*$|[ \t]*[-–—:]?[ \t]+|:(?=\D))")
# A line of its own: the speaker and the time.
_NAMED = re.compile(
    rf"\[?[^\W\d_][^\d:\n]{{0,40}}(?:\d{{1,2}}[^\d:\n]{{1,5}})?[ \t][\[(]?{_CLOCK}[\])]?:?[ \t]*"
)
_WORD_TIME = re.compile(rf"<{_CLOCK}>")
_ABOUT = re.compile(
    r"[ \t]*\[(?:ar|ti|al|au|by|re|ve|la|length|lr|tool|offset|#)\s*:([^\]]*)\][ \t]*",
    re.IGNORECASE,
)
_OFFSET = re.compile(r"^[ \t]*\[offset:[ \t]*([-+]?\d{1,9})[ \t]*\]", re.MULTILINE | re.IGNORECASE)


def has_stamps(text: str) -> bool:
    """Return whether the first line begins with a time, and other lines do too: one in brackets, or
    two without.
    """
    lines = [line for line in text.split("\n") if line.strip() and not _ABOUT.fullmatch(line)]
    if not lines:
        return False
    for matches, least in ((_IN_BRACKETS.match, 1), (_BARE.match, 2), (_NAMED.fullmatch, 2)):
        found = sum(matches(line) is not None for line in lines)
        if matches(lines[0]) and found >= max(least, len(lines) / 4):
            return True
    return False


def read_stamped(path: Path, text: str) -> Transcript:
    """Read the lines with their times, or the words if those are timed."""
    shift = _OFFSET.search(text[:10_000])
    shift_s = float(shift[1]) / 1000 if shift else 0.0
    broken = BrokenLines(path)
    # start, lines of text, number of the first line; copies share their lines
    rows: list[tuple[float, list[str], int]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or _ABOUT.fullmatch(line):
            continue
        starts, rest = _stamps(line)
        if starts:
            words = [rest]
            rows += [(max(0.0, start_s - shift_s), words, number) for start_s in starts]
        elif rows:
            rows[-1][1].append(rest)
        else:
            broken.add(number, line, "; need a time before it, such as [00:01.50]")
    rows.sort(key=lambda row: row[0])
    in_words = any(_WORD_TIME.search(words) for _, lines, _ in rows for words in lines)
    ends = [start_s for start_s, _, _ in rows[1:]] + [start_s for start_s, _, _ in rows[-1:]]
    pieces: dict[int, list[_Piece]] = {}
    texts: list[NumberedText] = []
    for (start_s, lines, number), end_s in zip(rows, ends, strict=True):
        if id(lines) not in pieces:
            pieces[id(lines)] = _pieces("\n".join(lines))
        texts += _numbered_texts(
            pieces[id(lines)], start_s=start_s, end_s=end_s, shift_s=shift_s, line=number
        )
    in_words = in_words and not any(" " in item.spoken.text for item in texts)
    unnamed = without_names([item.spoken.text for item in texts])
    texts = [
        NumberedText(item.spoken._replace(text=text), item.line)
        for item, text in zip(texts, unnamed, strict=True)
    ]
    return timed_transcript(path, texts, broken, unit="word" if in_words else "line")


def _stamps(line: str) -> tuple[list[float], str]:
    """Return the times at the start of a line, and the rest of the line."""
    starts, position = [], 0
    while found := _IN_BRACKETS.match(line, position):
        starts.append(seconds(("", *found.groups())))
        position = found.end()
    if not starts and (found := _BARE.match(line)):
        starts.append(seconds(("", *found.groups())))
        position = found.end()
    if not starts and (found := _NAMED.fullmatch(line)):
        return [seconds(("", *found.groups()))], ""
    return starts, line[position:]


def _pieces(words: str) -> list[_Piece]:
    """Return the text between the times of words; the first piece has no time of its own."""
    found = list(_WORD_TIME.finditer(words))
    starts = [None, *(seconds(("", *time.groups())) for time in found)]
    edges = [0, *(edge for time in found for edge in time.span()), len(words)]
    texts = [words[first:last] for first, last in zip(edges[::2], edges[1::2], strict=True)]
    return [
        (" ".join(spoken_text(text).split()), start_s)
        for text, start_s in zip(texts, starts, strict=True)
    ]


def _numbered_texts(
    pieces: list[_Piece], *, start_s: float, end_s: float, shift_s: float, line: int
) -> list[NumberedText]:
    starts = [start_s]
    for _, own_s in pieces[1:]:
        starts.append(max(starts[-1], own_s - shift_s))
    ends = [*starts[1:], max(end_s, starts[-1])]
    timed = zip(pieces, starts, ends, strict=True)
    return [
        NumberedText(Spoken(text, first_s, last_s), line)
        for (text, _), first_s, last_s in timed
        if text
    ]
