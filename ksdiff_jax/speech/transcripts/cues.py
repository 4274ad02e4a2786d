"""Cues, the structure shared by SubRip (.srt), WebVTT (.vtt) and SubViewer (.sbv): a time line, and
lines of text.

    1                                        WEBVTT                          0:00:01.000,0:00:02.500
    00:00:01,000 --> 00:00:02,500                                            What is said.
    What is said.                            00:01.000 --> 00:02.500 line:0
                                             What is said.

A cue begins at its time line, whatever is between cues: blank lines may be missing or occur inside
a cue. Hours, milliseconds and counters may be missing. Commas, points and colons are equivalent.
Text may follow on the time line.

A line before a time line is the cue's counter (SubRip) or name (WebVTT), and not text of the
previous cue, if

- a blank line, or no line, is before it, and it is a number, or the file names its cues, as WebVTT
  does; or
- no blank line is before it, and it is the number after the last counter, or any number if the
  file's counters are out of order and the previous cue already has text.

A spoken "42" is therefore kept. WebVTT's header, notes, styles and regions are not text. A
malformed time line, text before the first cue, and text after a counter without a time line are
broken lines.
"""

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

from ksdiff_jax.speech.transcripts.broken_lines import BrokenLines

WHY_NO_TIMES = " is not a time line such as 00:00:01,000 --> 00:00:02,500"
NEEDED = "; need a time line such as 00:00:01,000 --> 00:00:02,500"

_S = r"[ \t]?"
_CLOCK = (
    rf"(-?)(?:(?:(\d{{1,9}}){_S}[:：]{_S})?(\d{{1,9}}){_S}[:：]{_S})?"
    rf"(\d{{1,9}})(?:{_S}[.,:;，．]{_S}(\d{{1,30}}))?(?![\d:])"
)
_FULL_CLOCK = r"(-?)(?:(\d{1,9}):)?(\d{1,9}):(\d{1,9})[.,](\d{1,30})(?![\d:])"
_ARROW = r"(?:(?:[-–—−‐=][ \t]?){1,3}(?:>|＞|&gt;)|[→⟶➔➜])"
_ARROW_ANYWHERE = re.compile(_ARROW)
_TIMES = re.compile(
    rf"(?:\d{{1,9}}[.)]?[ \t]+)?[\[(]?{_CLOCK}[ \t]*{_ARROW}[ \t]*{_CLOCK}[\])]?(.*)"
)
_TIMES_WITHOUT_ARROW = re.compile(
    rf"{_FULL_CLOCK}[ \t]*[-–—,; \t][ \t]*{_FULL_CLOCK}(?:$|[ \t]+(.*))"
)
_BEGINS_WITH_CLOCK = re.compile(r"\d{1,9}:\d\d:\d\d[.,]\d")
_CUT_SHORT = re.compile(r"\d{1,9}:\d{0,2}(?::\d{0,2}(?:[.,]\d{0,9})?)?[ \t]*[-–—]{0,3}>?")
_CLOCK_ANYWHERE = re.compile(r"\d[ \t]?[:：][ \t]?\d")
_CLOCK_LIKE = re.compile(r"[-\[(]?\d{1,9}[ \t]?[:.,][ \t]?\w")
_SETTING = re.compile(
    r"\s*(?:vertical|line|position|size|align|region|[xy][12])\s?:\S*", re.IGNORECASE
)
_COUNTER = re.compile(r"[#(\[]?(\d{1,9})[.)\]:]?")
_ASIDES = re.compile(r"(?:NOTE|STYLE|REGION|WEBVTT|WebVTT|webvtt)(?=\s|$)")
_LOOKED_AT = 400  # characters of a line that are searched for times


class Cue(NamedTuple):
    """The times of a cue, its lines as in the file, and the number of its time line."""

    start_s: float
    end_s: float
    lines: list[str]
    line: int


def has_cues(text: str) -> bool:
    """Return whether a text has a time line with an arrow, even a broken one, or begins as WebVTT
    does.
    """
    return is_web_vtt(text) or any(_is_like_times(line.strip()) for line in text.split("\n"))


def _is_like_times(line: str) -> bool:
    begins = line[:1].isdecimal() or line.startswith(("[", "(", "-"))
    return (begins and _has_arrow_and_clock(line)) or _TIMES_WITHOUT_ARROW.match(
        line[:_LOOKED_AT]
    ) is not None


def _has_arrow_and_clock(line: str) -> bool:
    head = line[:_LOOKED_AT]
    if not _ARROW_ANYWHERE.search(head) or not _CLOCK_ANYWHERE.search(head):
        return False
    return "-->" in head or _TIMES.match(head) is not None


def is_web_vtt(text: str) -> bool:
    """Return whether a text begins with WebVTT's signature."""
    return re.match(r"\s*WEBVTT(?=\s|$)", text[:1000], re.IGNORECASE) is not None


def read_cues(text: str, broken: BrokenLines, *, web_vtt: bool) -> list[Cue]:
    """Return the cues in the order of the file."""
    lines = [line.strip() for line in text.split("\n")]
    walk = _LineParser(lines, broken, web_vtt=web_vtt)
    for index in range(len(lines)):
        walk.step(index)
    return walk.cues


class _Times(NamedTuple):
    """The contents of a time line; `known` is False if it is broken."""

    known: bool
    start_s: float = 0.0
    end_s: float = 0.0
    rest: str = ""


def _times(line: str) -> _Times | None:
    head = line[:_LOOKED_AT]
    found = _TIMES.match(head) or _TIMES_WITHOUT_ARROW.match(head)
    if not found or not (found[3] or found[5]):  # a bare number is not a time
        return None
    rest = (found.groups()[-1] or "") + line[_LOOKED_AT:]
    while setting := _SETTING.match(rest[:_LOOKED_AT]):
        rest = rest[setting.end() :]
    if _has_arrow_and_clock(rest):  # line breaks were lost: one line contains several cues
        return _Times(False)
    return _Times(True, seconds(found.groups()[:5]), seconds(found.groups()[5:10]), rest.strip())


def seconds(parts: Sequence[str | None]) -> float:
    """Return seconds of (sign, hours, minutes, seconds, digits of the fraction); missing parts are
    0.
    """
    sign, hours, minutes, whole, fraction = parts
    value = 3600.0 * int(hours or 0) + 60 * int(minutes or 0) + int(whole or 0)
    value += int(fraction) / 10 ** len(fraction) if fraction else 0
    return -value if sign else value


class _LineParser:
    """Parses the lines in one pass; the kind of a line depends on its neighbours."""

    def __init__(self, lines: list[str], broken: BrokenLines, *, web_vtt: bool):
        self.lines, self.broken, self.web_vtt = lines, broken, web_vtt
        self.times = [_times(line) for line in lines]
        self.next = _next_filled(lines)
        for index, line in enumerate(lines):
            if self.times[index] is None and self._is_broken_time_line(index, line):
                self.times[index] = _Times(False)
        self.cues: list[Cue] = []
        self.counter = 0  # of the last cue
        self.named, self.counted, self.in_order, self.glued = self._numbering()
        # The owner of the next text lines: a cue, nothing yet, an aside of WebVTT, or something
        # broken.
        self.place: str = "nothing"
        self.after_blank = True

    def step(self, index: int) -> None:
        """Process one line."""
        line, times = self.lines[index], self.times[index]
        if not line:
            self.after_blank = True
            if self.place == "aside":
                self.place = "nothing"
            return
        if times is not None:
            self._time_line(index, times)
        elif self._is_aside(line):
            self.place = "aside"
        elif self.place == "aside" or self._is_counter(index):
            pass
        elif self.place == "cue":
            self.cues[-1].lines.append(line)
        elif self.place == "nothing":
            self.broken.add(index + 1, line, NEEDED)
            self.place = "broken"
        self.after_blank = False

    def _time_line(self, index: int, times: _Times) -> None:
        if times.known:
            self.cues.append(
                Cue(times.start_s, times.end_s, [times.rest] if times.rest else [], index + 1)
            )
            self.place = "cue"
        else:
            self.broken.add(index + 1, self.lines[index], WHY_NO_TIMES)
            self.place = "broken"

    def _is_aside(self, line: str) -> bool:
        opens = self.after_blank and not (self.place == "cue" and not self.cues[-1].lines)
        return self.web_vtt and opens and _ASIDES.match(line) is not None

    def _is_counter(self, index: int) -> bool:
        """Return whether this line is the counter or the name of a cue, and store it."""
        number = _number(self.lines[index])
        following = self.next[index]
        if following is None or self.times[following] is None:
            return self._is_counter_without_cue(index, number)
        if number is None:
            return self.after_blank and following == index + 1 and (self.web_vtt or self.named)
        has_text = self.place != "cue" or bool(self.cues[-1].lines)
        if self.after_blank:
            is_counter = self.counted or (has_text and following == index + 1)
        else:
            is_next = number == self.counter + 1
            is_counter = self.counted and (
                is_next or (has_text and (number == 1 or not self.in_order))
            )
        if is_counter:
            self.counter = number
        return is_counter

    def _is_counter_without_cue(self, index: int, number: int | None) -> bool:
        if number is None or not self.counted or number != self.counter + 1:
            return False
        if self.next[index] is None:  # the last line of the file
            return self.after_blank or (
                self.glued and self.place == "cue" and bool(self.cues[-1].lines)
            )
        if not self.after_blank or self.next[index] != index + 1:
            return False
        self.counter = number
        self.broken.add(index + 2, self.lines[index + 1], NEEDED)
        self.place = "broken"
        return True

    def _is_broken_time_line(self, index: int, line: str) -> bool:
        head = line[:_LOOKED_AT]
        after_counter = index > 0 and _number(self.lines[index - 1]) is not None
        if not _ARROW_ANYWHERE.search(head):
            is_cut = after_counter and _CUT_SHORT.fullmatch(head) is not None
            return is_cut or _BEGINS_WITH_CLOCK.match(head) is not None
        has_clock = _CLOCK_LIKE.match(head) or _CLOCK_ANYWHERE.search(head)
        return after_counter or has_clock is not None or not re.search(r"\w", head)

    def _numbering(self) -> tuple[bool, bool, bool, bool]:
        """Return whether the file names its cues, counts them, counts them in order, and does so
        without blank lines.
        """
        lines = self.lines
        at = [index for index, times in enumerate(self.times) if times is not None]
        before = [_filled_before(lines, index) for index in at]
        numbers = [None if index is None else _number(lines[index]) for index in before]
        named = [
            index
            for index in at
            if index and lines[index - 1] and (index == 1 or not lines[index - 2])
        ]
        counted = [number for number in numbers if number is not None]
        steps = [later - number for number, later in itertools.pairwise(counted)]
        glued = [
            index
            for index in before
            if index and _number(lines[index]) is not None and lines[index - 1]
        ]
        return (
            2 * len(named) > len(at),
            2 * len(counted) > len(at),
            2 * steps.count(1) >= len(steps) and counted[:1] in ([0], [1]),
            bool(glued),
        )


def _number(line: str) -> int | None:
    found = _COUNTER.fullmatch(line) if len(line) < 12 else None
    return int(found[1]) if found else None


def _next_filled(lines: list[str]) -> list[int | None]:
    """Return for each line the index of the next line that is not blank."""
    following: list[int | None] = []
    last = None
    for index in range(len(lines) - 1, -1, -1):
        following.append(last)
        last = index if lines[index] else last
    return following[::-1]


def _filled_before(lines: list[str], index: int) -> int | None:
    """Return the line before a time line; one blank line between a counter and its times is
    skipped.
    """
    for back in (index - 1, index - 2):
        if back >= 0 and lines[back]:
            return back
    return None
