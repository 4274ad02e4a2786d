"""Captions that show a line again with the next one: each word counts once.

Three habits are known, told from the cues that follow each other without a pause:

- scrolling (YouTube's own captions, roll-up captions of television): the last lines of a cue are
  the first of the next, and a cue of 10 ms between two shows the old lines alone;
- growing: a cue begins with all the words of the one before;
- highlighting (Whisper's `--highlight_words`): the same words again, of which another one is
  marked.

Where such cues are not at least half of those that follow each other, repeated lines are words said
again.
"""

import itertools
from typing import NamedTuple

from ksdiff_jax.speech.transcripts.spoken_words import Spoken

# Cues closer than this follow each other; a speaker who repeats a word leaves more.
PAUSE_S = 0.05


class Shown(NamedTuple):
    """What one cue shows."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]
    words: tuple[tuple[Spoken, ...], ...]  # of each line, where the cue times them
    raw: str
    line: int


class Fresh(NamedTuple):
    """What a cue shows for the first time, in lines, and the words of those lines that are
    timed.
    """

    shown: Shown
    lines: tuple[str, ...]
    words: tuple[tuple[Spoken, ...], ...]


def first_shown(cues: list[Shown]) -> list[Fresh]:
    """What each cue adds to the one before; cues that add nothing lengthen the last one
    that did.
    """
    if not _roll(cues):
        return [Fresh(cue, cue.lines, cue.words) for cue in cues]
    fresh: list[Fresh] = []
    before = None
    for cue in cues:
        known, grown = _repeated(before, cue)
        lines, words = cue.lines[known:], cue.words[known:]
        if grown:
            lines, words = (" ".join(" ".join(cue.lines).split()[grown:]),), ((),)
        if lines:
            fresh.append(Fresh(cue, lines, words))
        elif fresh:
            last = fresh[-1]
            fresh[-1] = last._replace(
                shown=last.shown._replace(end_s=max(cue.end_s, last.shown.end_s))
            )
        before = cue
    return fresh


def _roll(cues: list[Shown]) -> bool:
    pairs = [(before, cue) for before, cue in itertools.pairwise(cues) if _follows(before, cue)]
    added = repeated = 0
    for before, cue in pairs:
        known, grown = _repeated(before, cue)
        again = known == len(cue.lines)
        added += bool(
            grown
            or (known and not again)
            or (again and cue.raw != before.raw and cue.lines == before.lines)
        )
        repeated += bool(grown or known)
    return added > 0 and 2 * repeated >= len(pairs) and 4 * added >= len(pairs)


def _follows(before: Shown, cue: Shown) -> bool:
    return cue.start_s - before.end_s <= PAUSE_S


def _repeated(before: Shown | None, cue: Shown) -> tuple[int, int]:
    """How many of its first lines, or else how many of its first words, the cue takes over from the
    one before.
    """
    if before is None or not _follows(before, cue):
        return 0, 0
    for count in range(min(len(before.lines), len(cue.lines)), 0, -1):
        if before.lines[-count:] == cue.lines[:count]:
            return count, 0
    old, new = " ".join(before.lines).split(), " ".join(cue.lines).split()
    # one word again and again is said again
    grows = old and new[: len(old)] == old and len(set(new)) > 1
    return 0, len(old) if grows else 0
