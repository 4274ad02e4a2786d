"""Reads tables with a header, with fields separated by commas, semicolons or tabs: Whisper's and
the Montreal aligner's.

    start	end	text                        Begin,End,Label,Type,Speaker
    250	1000	The birch                   0.25,0.5,the,words,ada
    1000	1750	canoe                       0.25,0.3,DH,phones,ada

Whisper's whole numbers are milliseconds; all others are seconds. Only the word rows of the aligner
are read. The header may name its columns start or begin, end or stop, and text, label or word.
ELAN's rows have tabs and no header: tier, participant, the times in one or several formats, and the
text last.
"""

import csv
import re
import warnings
from pathlib import Path
from typing import NamedTuple

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.broken_lines import BrokenLines, NumberedText, timed_transcript
from ksdiff_jax.speech.transcripts.never_spoken import is_silence, spoken_text
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript, TranscriptFileWarning

_STARTS = ("start", "begin", "start_s", "start_time", "tmin", "onset")
_ENDS = ("end", "stop", "end_s", "end_time", "tmax", "offset")
_TEXTS = ("text", "label", "word", "words", "transcript")
csv.field_size_limit(2**31 - 1)


_CLOCK = re.compile(r"(\d{1,3}):(\d{2}):(\d{2}\.\d{1,6})")
_DECIMAL = re.compile(r"\d{1,9}\.\d{1,6}")


class _Columns(NamedTuple):
    separator: str
    start: int
    end: int
    text: int
    kind: int | None
    speaker: int | None
    in_ms: bool  # whole numbers are milliseconds


def has_heading(text: str) -> bool:
    """Return whether the first line names the columns of a start, an end and a text."""
    return _columns(text) is not None


def read_table(path: Path, text: str) -> Transcript:
    """Read the words of a table that has rows of words, otherwise its lines."""
    columns = _columns(text)
    if columns is None:
        raise InputError(
            f"{path}, line 1: {text.split(chr(10), 1)[0][:60]!r}; need a heading with start, end "
            "and text"
        )
    rows = csv.reader(text.split("\n"), delimiter=columns.separator)
    next(rows)
    broken, texts, speakers = BrokenLines(path), [], set()
    found = [(rows.line_num, row) for row in rows if any(field.strip() for field in row)]
    whole = all(
        row[columns.start].strip().isdigit() for _, row in found if len(row) > columns.start
    )
    scale = 0.001 if columns.in_ms and whole else 1.0
    for number, row in found:
        if (
            columns.kind is not None
            and len(row) > columns.kind
            and row[columns.kind].strip().lower() not in ("words", "word")
        ):
            continue
        try:
            start_s, end_s = (
                scale * float(row[index].strip().replace(",", "."))
                for index in (columns.start, columns.end)
            )
            label = " ".join(spoken_text(row[columns.text]).split())
        except (ValueError, IndexError):
            broken.add(
                number,
                columns.separator.join(row),
                "; need a start, an end and a text as on the others",
            )
            continue
        if not is_silence(label):
            texts.append(NumberedText(Spoken(label, start_s, end_s), number))
            speakers.add(
                row[columns.speaker]
                if columns.speaker is not None and len(row) > columns.speaker
                else ""
            )
    if len(speakers) > 1:
        names = ", ".join(sorted(speakers))
        warnings.warn(
            f"{path}: the words of all speakers are read ({names})",
            TranscriptFileWarning,
            stacklevel=2,
        )
    unit = "line" if any(" " in item.spoken.text for item in texts) else "word"
    return timed_transcript(path, texts, broken, unit=unit)


def has_rows(text: str) -> bool:
    """Return whether every line is a row of ELAN's, one or more."""
    lines = [line for line in text.split("\n") if line.strip()]
    return bool(lines) and all(_row(line) is not None for line in lines)


def read_rows(path: Path, text: str) -> Transcript:
    """Read the lines of all tiers of ELAN's export."""
    rows = [
        (number, _row(line))
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip()
    ]
    texts = [
        NumberedText(row.spoken, number)
        for number, row in rows
        if row is not None and not is_silence(row.spoken.text)
    ]
    tiers = sorted({row.tier for _, row in rows if row is not None})
    if len(tiers) > 1:
        names = ", ".join(tiers)
        warnings.warn(
            f"{path}: the words of all tiers are read ({names})",
            TranscriptFileWarning,
            stacklevel=2,
        )
    unit = "line" if any(" " in item.spoken.text for item in texts) else "word"
    return timed_transcript(
        path, sorted(texts, key=lambda item: item.spoken.start_s), BrokenLines(path), unit=unit
    )


class _Row(NamedTuple):
    tier: str
    spoken: Spoken


def _row(line: str) -> _Row | None:
    tier, *fields = line.split("\t")
    if len(fields) < 3 or _CLOCK.fullmatch(tier) or _DECIMAL.fullmatch(tier):
        return None
    clocks = [found for field in fields[:-1] if (found := _CLOCK.fullmatch(field))]
    times_s = [3600 * int(found[1]) + 60 * int(found[2]) + float(found[3]) for found in clocks]
    times_s = times_s or [float(field) for field in fields[:-1] if _DECIMAL.fullmatch(field)]
    if len(times_s) < 2 or _CLOCK.fullmatch(fields[-1]) or _DECIMAL.fullmatch(fields[-1]):
        return None
    return _Row(tier, Spoken(" ".join(spoken_text(fields[-1]).split()), *times_s[:2]))


def _columns(text: str) -> _Columns | None:
    heading = text.lstrip().split("\n", 1)[0]
    if len(heading) > 1000:
        return None
    for separator in "\t,;":
        names = [name.strip().strip('"').lower() for name in heading.split(separator)]
        start, end, label = (
            next((names.index(n) for n in known if n in names), None)
            for known in (_STARTS, _ENDS, _TEXTS)
        )
        if start is not None and end is not None and label is not None:
            kind, speaker = (
                names.index(name) if name in names else None for name in ("type", "speaker")
            )
            return _Columns(
                separator,
                start,
                end,
                label,
                kind,
                speaker,
                names[start] == "start" and kind is None,
            )
    return None
