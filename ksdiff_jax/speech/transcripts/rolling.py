"""Captions that repeat a line in the next cue: each word counts once.

Three styles are detected from cues that follow each other without a pause:

- scrolling (YouTube's own captions, roll-up captions of television): the last lines of a cue are
  the first of the next, and a cue of 10 ms between two shows only the old lines;
- growing: a cue begins with all the words of the previous one;
- highlighting (Whisper's `--highlight_words`): the same words again, with another one marked.

Unless such cues are at least half of those that follow each other, repeated lines count as words
spoken again.
"""

import itertools
from typing import NamedTuple

from ksdiff_jax.speech.transcripts.spoken_words import Spoken

# Cues closer than this are consecutive; a speaker who repeats a word leaves a longer pause.
PAUSE_S = 0.05


class Shown(NamedTuple):
    """The contents of one cue."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]
    words: tuple[tuple[Spoken, ...], ...]  # of each line, if the cue has word times
    raw: str
    line: int


class Fresh(NamedTuple):
    """The lines that a cue shows for the first time, and the timed words of those lines."""

    shown: Shown
    lines: tuple[str, ...]
    words: tuple[tuple[Spoken, ...], ...]


def first_shown(cues: list[Shown]) -> list[Fresh]:
    """Return what each cue adds to the previous one; a cue that adds nothing extends the last one
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
    """Return how many of its first lines, or otherwise how many of its first words, the cue repeats
    from the previous one.
    """
    if before is None or not _follows(before, cue):
        return 0, 0
    for count in range(min(len(before.lines), len(cue.lines)), 0, -1):
        if before.lines[-count:] == cue.lines[:count]:
            return count, 0
    old, new = " ".join(before.lines).split(), " ".join(cue.lines).split()
    # one word repeated alone counts as spoken again
    grows = old and new[: len(old)] == old and len(set(new)) > 1
    return 0, len(old) if grows else 0
