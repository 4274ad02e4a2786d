r"""Audacity's label track, exported as text: start, end and label of each line between tabs, in
seconds.

    0.250000	0.500000	the
    \	0.000000	8000.000000
    0.500000	1.000000	birch

A line that begins with a backslash contains the frequencies of the previous label. Numbers have a
decimal comma if the system's language has one. A point label has equal start and end.
"""

import re
from pathlib import Path

from ksdiff_jax.speech.transcripts.broken_lines import BrokenLines, NumberedText, timed_transcript
from ksdiff_jax.speech.transcripts.never_spoken import is_silence, spoken_text
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript

_LABEL = re.compile(
    r"[ \t]*(\d{1,12}(?:[.,]\d{1,15})?)\t+[ ]*(\d{1,12}(?:[.,]\d{1,15})?)(?:\t(.*))?"
)


def has_labels(text: str) -> bool:
    """Return whether the first line is a label, and at least half of the others are."""
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("\\")]
    found = sum(_LABEL.fullmatch(line) is not None for line in lines)
    return bool(lines) and _LABEL.fullmatch(lines[0]) is not None and 2 * found >= len(lines)


def read_label_track(path: Path, text: str) -> Transcript:
    """Read the labels: as words with times if each is one word, otherwise as lines."""
    broken, texts = BrokenLines(path), []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.startswith("\\"):
            continue
        found = _LABEL.fullmatch(line)
        if not found:
            broken.add(number, line, "; need start, end and label between tabs")
            continue
        label = " ".join(spoken_text(found[3] or "").split())
        if not is_silence(label):
            start_s, end_s = (float(field.replace(",", ".")) for field in found.groups()[:2])
            texts.append(NumberedText(Spoken(label, start_s, end_s), number))
    unit = "line" if any(" " in item.spoken.text for item in texts) else "word"
    return timed_transcript(path, texts, broken, unit=unit)
