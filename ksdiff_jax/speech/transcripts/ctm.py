"""`.ctm`, the words of NIST's scoring tools and of Kaldi: file, channel, start, duration, word,
optionally a confidence.

    ;; made by an aligner
    talk 1 0.25 0.25 the 0.98
    talk 1 0.50 0.50 birch

Times are in seconds. A file may contain several recordings; the words of the given one are read, or
those of the only one.
"""

import re
from pathlib import Path

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.broken_lines import BrokenLines, NumberedText, timed_transcript
from ksdiff_jax.speech.transcripts.never_spoken import is_silence
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript

_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,15})?|\.\d{1,15}")


def read_ctm(path: Path, text: str, *, stem: str) -> Transcript:
    """Read the words of the recording called `stem`, without silences."""
    broken = BrokenLines(path)
    recordings: dict[str, list[NumberedText]] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        fields = line.split()
        if not fields or line.startswith((";;", "#")):
            continue
        if len(fields) < 5 or not all(_NUMBER.fullmatch(field) for field in fields[2:4]):
            broken.add(number, line, "; need file, channel, start, duration and word")
            continue
        start_s, duration_s = map(float, fields[2:4])
        words = recordings.setdefault(Path(fields[0]).stem, [])
        if not is_silence(fields[4]):
            words.append(NumberedText(Spoken(fields[4], start_s, start_s + duration_s), number))
    if stem not in recordings and len(recordings) > 1:
        names = ", ".join(list(recordings)[:5])
        raise InputError(
            f"{path}: words of {len(recordings)} recordings ({names} ...), none of them called "
            f"{stem}"
        )
    texts = recordings.get(stem) or next(iter(recordings.values()), [])
    return timed_transcript(path, texts, broken, unit="word")
