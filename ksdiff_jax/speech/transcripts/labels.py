"""`.lab`: HTK labels, one `start end label` a line, or nothing but words, as the Montreal aligner reads them.

Whole numbers are HTK's units of 100 ns, numbers with a point are seconds. Silences (sil, sp, pau, empty) are no words.
"""

from pathlib import Path

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript, ordered

UNITS_PER_SECOND = 10_000_000
SILENCES = frozenset({"", "sil", "sp", "spn", "pau", "<sil>", "<eps>", "SIL", "#"})


def read_labels(path: Path, text: str) -> Transcript:
    """A label file's text; its words with times if it has any."""
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not any(len(fields) >= 2 and all(map(_is_number, fields[:2])) for _, fields in lines):
        return Transcript(" ".join(word for _, fields in lines for word in fields), str(path))
    spoken, numbers = [], []
    for number, fields in lines:
        if len(fields) < 2 or not all(map(_is_number, fields[:2])):
            raise InputError(
                f"{path}, line {number}: {' '.join(fields)[:60]!r}; need `start end label` as on the others"
            )
        label = " ".join(fields[2:])
        if label not in SILENCES:
            start_s, end_s = map(_seconds, fields[:2])
            spoken.append(Spoken(label, start_s, end_s))
            numbers.append(number)
    words = ordered(spoken, path=path, lines=numbers)
    return Transcript(" ".join(word.text for word in words), str(path), "word", words)


def _is_number(field: str) -> bool:
    return field.replace(".", "", 1).isdigit() and field.isascii()


def _seconds(field: str) -> float:
    return float(field) if "." in field else int(field) / UNITS_PER_SECOND
