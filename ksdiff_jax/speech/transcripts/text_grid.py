"""Praat's TextGrid, long and short text form: interval tiers of labels between two times.

Both forms hold the same values in the same order; the long one adds names, as in `xmin = 0.5`. So the file is read as
its sequence of values, strings in quotes (a doubled quote is one) and bare numbers:

    "ooTextFile" "TextGrid"   xmin xmax   <exists>   tiers   then for each tier
    "IntervalTier" name xmin xmax n   (xmin xmax text) n times,   or   "TextTier" name xmin xmax n   (time mark) n times

The tier called words is read (in the aligner's files perhaps with a speaker before it), else the first interval tier.
"""

import re
from pathlib import Path
from typing import NamedTuple

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.labels import SILENCES
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript, ordered

_VALUE = re.compile(r'"((?:[^"]|"")*)"|<(exists|absent)>|(?<![\w\[.])(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\w\].])')
_WORDS = re.compile(r"(?:.*[ -])?words?", re.IGNORECASE)


class _Value(NamedTuple):
    value: str | float
    line: int


def read_text_grid(path: Path, text: str) -> Transcript:
    """The words of a TextGrid, silences left out."""
    values = _Reader(path, _values(text))
    if values.text("the file type") != "ooTextFile" or values.text("the object class") != "TextGrid":
        raise InputError(f"{path}, line 1: not a TextGrid in text form; save it from Praat as a text file")
    values.number("xmin")
    values.number("xmax")
    values.text("<exists>")
    tiers = {}
    for _ in range(int(values.number("the number of tiers"))):
        kind, name = values.text("a tier's class"), values.text("a tier's name")
        values.number("a tier's xmin")
        values.number("a tier's xmax")
        count = int(values.number("the number of a tier's intervals"))
        if kind == "IntervalTier":
            tiers.setdefault(name, [values.interval() for _ in range(count)])
        else:
            for _ in range(count):
                values.number("a point's time")
                values.text("a point's mark")
    if not tiers:
        raise InputError(f"{path}: a TextGrid without an interval tier; the words are expected in one")
    name = next((name for name in tiers if _WORDS.fullmatch(name)), next(iter(tiers)))
    said = [(spoken, line) for spoken, line in tiers[name] if spoken.text.strip() not in SILENCES]
    words = ordered([spoken for spoken, _ in said], path=path, lines=[line for _, line in said])
    return Transcript(" ".join(word.text for word in words), str(path), "word", words)


def _values(text: str) -> list[_Value]:
    found = []
    line, position = 1, 0
    for match in _VALUE.finditer(text):
        line += text.count("\n", position, match.start())
        position = match.start()
        quoted, flag, number = match.groups()
        if number is not None:
            found.append(_Value(float(number), line))
        else:
            found.append(_Value(f"<{flag}>" if flag else quoted.replace('""', '"'), line))
    return found


class _Reader:
    """Takes values one by one; what is not there or not of the kind needed is an `InputError`."""

    def __init__(self, path: Path, values: list[_Value]):
        self.path, self.values, self.position = path, values, 0

    def text(self, what: str) -> str:
        return str(self._take(str, what).value)

    def number(self, what: str) -> float:
        return float(self._take(float, what).value)

    def interval(self) -> tuple[Spoken, int]:
        start = self._take(float, "an interval's xmin")
        end_s, label = self.number("an interval's xmax"), self.text("an interval's text")
        return Spoken(" ".join(label.split()), float(start.value), end_s), start.line

    def _take(self, kind: type, what: str) -> _Value:
        if self.position == len(self.values):
            raise InputError(f"{self.path}: the TextGrid ends where {what} is expected; the file is not complete")
        found = self.values[self.position]
        if not isinstance(found.value, kind):
            raise InputError(f"{self.path}, line {found.line}: {found.value!r} where {what} is expected")
        self.position += 1
        return found
