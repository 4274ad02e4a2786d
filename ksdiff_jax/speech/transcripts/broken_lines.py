"""Lines of a transcript that cannot be parsed: each is reported, and none is treated as spoken
text.

A file in which some lines are broken is read without them, with a warning that lists them. If half
of the lines or more are broken, the file is not of the expected format, and an `InputError` reports
its first broken line.
"""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.spoken_words import (
    Spoken,
    Transcript,
    TranscriptFileWarning,
    lasts,
)

SHOWN_CHARACTERS = 60  # characters of a broken line
LISTED_LINES = 8  # numbers of further lines


class NumberedText(NamedTuple):
    """A word or a line of text, and its line number in the file."""

    spoken: Spoken
    line: int


class _Broken(NamedTuple):
    line: int
    message: str
    remedy: str


class BrokenLines:
    """Collects the broken lines of one file."""

    def __init__(self, path: Path):
        self.path = path
        self._found: list[_Broken] = []

    def add(self, line: int, content: str, why: str, *, remedy: str = "left out") -> None:
        """Add a broken line; `content` is its text, and `why` follows it in the message."""
        shown = " ".join(content[: 4 * SHOWN_CHARACTERS].split())[:SHOWN_CHARACTERS]
        self._found.append(_Broken(line, f"{self.path}, line {line}: {shown!r}{why}", remedy))

    def settle(self, *, good: int) -> None:
        """Warn of the broken lines, or raise if there are at least as many as good ones."""
        if not self._found:
            return
        first, *others = self._found
        if len(self._found) >= max(good, 1):
            more = f" ({len(others)} more lines are broken)" if others else ""
            raise InputError(first.message + more)
        more = ""
        if others:
            numbers = [str(item.line) for item in others[:LISTED_LINES]] + ["..."] * (
                len(others) > LISTED_LINES
            )
            more = (
                f"; {len(others)} more like it: line{'s' * (len(others) > 1)} {', '.join(numbers)}"
            )
        warnings.warn(f"{first.message}; {first.remedy}{more}", TranscriptFileWarning, stacklevel=2)


def timed_transcript(
    path: Path,
    texts: Iterable[NumberedText],
    broken: BrokenLines,
    *,
    unit: Literal["word", "line"],
    text: str | None = None,
) -> Transcript:
    """Return the transcript of words or lines, sorted by time; also settle the broken lines.

    `text` is the whole text if the file stores it separately; otherwise it is joined from the
    words. Words with the same text and times count once.
    """
    kept, bad = [], 0
    for spoken, line in texts:
        if not lasts(spoken):
            bad += 1
            spoken = _repaired(spoken, line, broken)
        if spoken is not None:
            kept.append(spoken)
    broken.settle(good=len(kept) - bad)
    in_time = tuple(dict.fromkeys(sorted(kept, key=lambda item: (item.start_s, item.end_s))))
    whole = " ".join(item.text for item in in_time) if text is None else text
    return Transcript(whole, str(path), unit, in_time)


def _repaired(spoken: Spoken, line: int, broken: BrokenLines) -> Spoken | None:
    start_s, end_s = spoken.start_s, spoken.end_s
    why = f" from {start_s:g} to {end_s:g} s; need 0 <= start <= end"
    if start_s < 0 <= end_s < float("inf"):
        broken.add(line, spoken.text, why, remedy="its start is taken as 0")
        return spoken._replace(start_s=0.0)
    if 0 <= end_s < start_s < float("inf"):
        broken.add(line, spoken.text, why, remedy="its end is taken as its start")
        return spoken._replace(end_s=start_s)
    broken.add(line, spoken.text, why)
    return None
