"""Reads Praat's TextGrid in text format, long, short or chronological: tiers of labels between two
times.

All formats contain the same kinds of values: strings in quotes (a doubled quote represents one),
free-standing numbers, and flags. The long format adds names, as in `xmin = 0.5`. A comment runs
from `!` to the end of its line. A file is therefore read as its sequence of values:

    "ooTextFile" "TextGrid"   xmin xmax   <exists>   tiers   then for each tier
    "IntervalTier" name xmin xmax n   (xmin xmax text) n times,   or
    "TextTier" name xmin xmax n   (time mark) n times

    "Praat chronological TextGrid text file"   xmin xmax   tiers
    (class name xmin xmax) for each tier   then
    tier xmin xmax text,   or   tier time mark,   in the order of time

The word tier is read: `words`, `word`, `ORT-MAU`, `Ada - words` and similar names, otherwise the
first interval tier that does not contain phones. A file whose time begins at xmin belongs to an
excerpt whose sound begins there.
"""

import re
import unicodedata
import warnings
from pathlib import Path
from typing import NamedTuple

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.broken_lines import BrokenLines, NumberedText, timed_transcript
from ksdiff_jax.speech.transcripts.never_spoken import is_silence
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript, TranscriptFileWarning

_VALUE = re.compile(
    r'"((?:[^"]|"")*)"|<(exists|absent)>|!([^\n]*)'
    r"|(?:(?<=[\s=])|^)([-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?)(?=\s|$|;)"
)
_CHRONOLOGICAL = "Praat chronological TextGrid text file"
_WORDS = re.compile(
    r"(?:.*[ _-])?(?:words?|ort|orthography|wrd|wörter|mots|palabras)(?:-MAU|[ _-].*)?",
    re.IGNORECASE,
)
_NO_WORDS = re.compile(
    r"(?:.*[ _-])?(?:phon\w*|phoneme\w*|segments?|syll\w*|silences?|mau|kan|kas|trn|pitch|tones?|"
    r"breaks?)(?:-MAU)?",
    re.IGNORECASE,
)
# Praat's own spelling of letters outside ASCII: a backslash, a letter, and a sign for its accent.
_ACCENTS = {
    '"': "\u0308",
    "'": "\u0301",
    "`": "\u0300",
    "^": "\u0302",
    "~": "\u0303",
    ",": "\u0327",
}
_ACCENTED = re.compile(r"\\([A-Za-z])([\"'`^~,])")
_LETTERS = {
    r"\ss": "ß",
    r"\ae": "æ",
    r"\Ae": "Æ",
    r"\o/": "ø",
    r"\O/": "Ø",
    r"\ao": "å",
    r"\Ao": "Å",
    r"\oe": "œ",
}


class _Value(NamedTuple):
    value: str | float
    line: int


class Tier(NamedTuple):
    """The intervals of a tier, or its points, which begin and end at the same time."""

    name: str
    is_intervals: bool
    texts: list[NumberedText]


def is_text_grid(text: str) -> bool:
    """Return whether a text begins as a TextGrid does."""
    head = text[:400]
    return _CHRONOLOGICAL in head or ("ooTextFile" in head and "TextGrid" in head)


def read_tiers(path: Path, text: str) -> tuple[float, list[Tier]]:
    """Return the time at which the TextGrid begins, and its tiers as they stand."""
    values = _Reader(path, _values(text))
    return _chronological(values) if _CHRONOLOGICAL in text[:400] else _tier_by_tier(values)


def read_text_grid(path: Path, text: str) -> Transcript:
    """Read the words of a TextGrid, without silences."""
    start_s, tiers = read_tiers(path, text)
    tier = _tier_of_words(path, [tier for tier in tiers if tier.is_intervals])
    if start_s:
        warnings.warn(
            f"{path}: its time begins at {start_s:g} s; words are counted from there",
            TranscriptFileWarning,
            stacklevel=2,
        )
    texts = [
        NumberedText(Spoken(word.text, word.start_s - start_s, word.end_s - start_s), line)
        for word, line in tier.texts
        if not is_silence(word.text)
    ]
    unit = "line" if any(" " in word.text for word, _ in texts) else "word"
    return timed_transcript(path, texts, BrokenLines(path), unit=unit)


def _tier_by_tier(values: "_Reader") -> tuple[float, list[Tier]]:
    kind = values.text("the file type")
    if not kind.startswith("ooTextFile") or values.text("the object class") != "TextGrid":
        raise InputError(
            f"{values.path}, line 1: not a TextGrid in text form; save it from Praat as a text file"
        )
    start_s = values.number("xmin")
    values.number("xmax")
    values.text("<exists>")
    tiers = []
    for _ in range(values.count("the number of tiers")):
        kind, name = values.text("a tier's class"), values.text("a tier's name")
        values.number("a tier's xmin")
        values.number("a tier's xmax")
        count = values.count("the number of a tier's intervals")
        is_intervals = kind == "IntervalTier"
        tiers.append(Tier(name, is_intervals, [values.entry(is_intervals) for _ in range(count)]))
    return start_s, tiers


def _chronological(values: "_Reader") -> tuple[float, list[Tier]]:
    values.text("the file type")
    start_s = values.number("xmin")
    values.number("xmax")
    tiers = []
    for _ in range(values.count("the number of tiers")):
        kind, name = values.text("a tier's class"), values.text("a tier's name")
        values.number("a tier's xmin")
        values.number("a tier's xmax")
        tiers.append(Tier(name, kind == "IntervalTier", []))
    while not values.ended:
        number = values.count("the number of a tier")
        if not 1 <= number <= len(tiers):
            raise InputError(
                f"{values.path}, line {values.line}: tier {number}, of {len(tiers)} tiers"
            )
        tier = tiers[number - 1]
        tier.texts.append(values.entry(tier.is_intervals))
    return start_s, tiers


def _tier_of_words(path: Path, tiers: list[Tier]) -> Tier:
    if not tiers:
        raise InputError(
            f"{path}: a TextGrid without an interval tier; the words are expected in one"
        )
    named = [tier for tier in tiers if _WORDS.fullmatch(tier.name.strip())]
    others = [tier for tier in tiers if not _NO_WORDS.fullmatch(tier.name.strip())]
    candidates = named or others
    if not candidates:
        names = ", ".join(repr(tier.name) for tier in tiers)
        raise InputError(
            f"{path}: no tier of words, only {names}; call the tier with the words `words`"
        )
    filled = [
        tier for tier in candidates if any(not is_silence(word.text) for word, _ in tier.texts)
    ]
    if len(filled) > 1:
        warnings.warn(
            f"{path}: the tier {filled[0].name!r} is read instead of "
            f"{', '.join(repr(tier.name) for tier in filled[1:])}",
            TranscriptFileWarning,
            stacklevel=3,
        )
    return (filled or candidates)[0]


def _values(text: str) -> list[_Value]:
    found = []
    line, position = 1, 0
    for match in _VALUE.finditer(text):
        line += text.count("\n", position, match.start())
        position = match.start()
        quoted, flag, comment, number = match.groups()
        if comment is not None:
            continue
        if number is not None:
            found.append(_Value(float(number.replace(",", ".")) + 0.0, line))
        else:
            found.append(_Value(f"<{flag}>" if flag else quoted.replace('""', '"'), line))
    return found


def _label(text: str) -> str:
    if "\\" in text:
        for spelling, letter in _LETTERS.items():
            text = text.replace(spelling, letter)
        text = _ACCENTED.sub(
            lambda found: unicodedata.normalize("NFC", found[1] + _ACCENTS[found[2]]), text
        )
    return " ".join(text.split())


class _Reader:
    """Reads values one by one; raises `InputError` if one is missing or of the wrong kind."""

    def __init__(self, path: Path, values: list[_Value]):
        self.path, self.values, self.position = path, values, 0

    @property
    def ended(self) -> bool:
        return self.position == len(self.values)

    @property
    def line(self) -> int:
        return self.values[self.position - 1].line

    def text(self, what: str) -> str:
        return str(self._take(str, what).value)

    def number(self, what: str) -> float:
        return float(self._take(float, what).value)

    def count(self, what: str) -> int:
        found = self._take(float, what)
        if not 0 <= found.value <= len(self.values):
            raise InputError(
                f"{self.path}, line {found.line}: {found.value:g} where {what} is expected"
            )
        return int(found.value)

    def entry(self, is_interval: bool) -> NumberedText:
        if not is_interval:
            point = self._take(float, "a point's time")
            return NumberedText(
                Spoken(_label(self.text("a point's mark")), float(point.value), float(point.value)),
                point.line,
            )
        start = self._take(float, "an interval's xmin")
        end_s, label = self.number("an interval's xmax"), self.text("an interval's text")
        return NumberedText(Spoken(_label(label), float(start.value), end_s), start.line)

    def _take(self, kind: type, what: str) -> _Value:
        if self.ended:
            raise InputError(
                f"{self.path}: the TextGrid ends where {what} is expected; the file is not complete"
            )
        found = self.values[self.position]
        if not isinstance(found.value, kind):
            raise InputError(
                f"{self.path}, line {found.line}: {found.value!r} where {what} is expected"
            )
        self.position += 1
        return found
