"""Lines that begin with a time: lyrics (`.lrc`), notes of a meeting, the transcript shown beside a video.

    [ar:Ada]                    [00:01] What is said,        0:01
    [00:01.50]What is           [00:03] and then.            What is said,
    [00:02.00][00:08.00]said.                                0:03
                                                             and then.

A line lasts until the next one; the end of the last is not known, so it ends where it begins. Lyrics may time words,
`<00:01.50>What <00:01.80>is`, repeat a line at several times, and shift all by `[offset:+250]`, in milliseconds
towards the start.
"""

import re
from pathlib import Path

from ksdiff_jax.speech.transcripts.broken_lines import BrokenLines, Said, timed_transcript
from ksdiff_jax.speech.transcripts.cues import seconds
from ksdiff_jax.speech.transcripts.never_spoken import spoken_text
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript

_CLOCK = r"(?:(\d{1,3}):)?(\d{1,4}):([0-5]\d)(?:[.:,](\d{1,9}))?"
_IN_BRACKETS = re.compile(rf"[ \t]*[\[(]{_CLOCK}[\])][ \t]*(?:[-–—:][ \t]+)?")
_BARE = re.compile(rf"[ \t]*{_CLOCK}(?:[ \t]*$|[ \t]*[-–—:]?[ \t]+)")
_WORD_TIME = re.compile(rf"<{_CLOCK}>")
_ABOUT = re.compile(r"[ \t]*\[(?:ar|ti|al|au|by|re|ve|la|length|lr|tool|offset|#)\s*:([^\]]*)\][ \t]*", re.IGNORECASE)
_OFFSET = re.compile(r"^[ \t]*\[offset:[ \t]*([-+]?\d{1,9})[ \t]*\]", re.MULTILINE | re.IGNORECASE)


def has_stamps(text: str) -> bool:
    """Whether the first line begins with a time, and so do others: one in brackets, or two that are not."""
    lines = [line for line in text.split("\n") if line.strip() and not _ABOUT.fullmatch(line)]
    if not lines:
        return False
    for pattern, least in ((_IN_BRACKETS, 1), (_BARE, 2)):
        found = sum(pattern.match(line) is not None for line in lines)
        if pattern.match(lines[0]) and found >= max(least, len(lines) / 4):
            return True
    return False


def read_stamped(path: Path, text: str) -> Transcript:
    """The lines with their times, or the words where those are timed."""
    shift = _OFFSET.search(text[:10_000])
    shift_s = float(shift[1]) / 1000 if shift else 0.0
    broken = BrokenLines(path)
    rows: list[tuple[float, str, int]] = []  # start, text, line
    open_rows = 1  # rows that a line without a time goes on with
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or _ABOUT.fullmatch(line):
            continue
        starts, rest = _stamps(line)
        if starts:
            rows += [(max(0.0, start_s - shift_s), rest, number) for start_s in starts]
            open_rows = len(starts)
        elif rows:
            rows[-open_rows:] = [(start_s, f"{said}\n{rest}", at) for start_s, said, at in rows[-open_rows:]]
        else:
            broken.add(number, line, "; need a time before it, such as [00:01.50]")
    rows.sort(key=lambda row: row[0])
    ends = [start_s for start_s, _, _ in rows[1:]] + [start_s for start_s, _, _ in rows[-1:]]
    timed = [_row(row, end_s, shift_s) for row, end_s in zip(rows, ends, strict=True)]
    said = [item for items in timed for item in items]
    in_words = any(_WORD_TIME.search(words) for _, words, _ in rows) and not any(" " in s.spoken.text for s in said)
    return timed_transcript(path, said, broken, unit="word" if in_words else "line")


def _stamps(line: str) -> tuple[list[float], str]:
    """The times at the start of a line, and what follows them."""
    starts, position = [], 0
    while found := _IN_BRACKETS.match(line, position):
        starts.append(seconds(("", *found.groups())))
        position = found.end()
    if not starts and (found := _BARE.match(line)):
        starts.append(seconds(("", *found.groups())))
        position = found.end()
    return starts, line[position:]


def _row(row: tuple[float, str, int], end_s: float, shift_s: float) -> list[Said]:
    start_s, words, line = row
    starts, texts, last = [start_s], [], 0
    for found in _WORD_TIME.finditer(words):
        texts.append(words[last : found.start()])
        starts.append(max(starts[-1], seconds(("", *found.groups())) - shift_s))
        last = found.end()
    texts.append(words[last:])
    ends = [*starts[1:], max(end_s, starts[-1])]
    pieces = [" ".join(spoken_text(text).split()) for text in texts]
    return [Said(Spoken(*piece), line) for piece in zip(pieces, starts, ends, strict=True) if piece[0]]
