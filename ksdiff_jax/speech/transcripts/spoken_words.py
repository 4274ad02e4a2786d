"""A transcript: the text, and the times of its words or lines if a file or a model provides them.

Times are seconds from the start of the sound. `write_words` stores them as JSON, schema
`ksdiff-words/1`.
"""

import math
import warnings
from pathlib import Path
from typing import Literal, NamedTuple

from ksdiff_jax.errors import Notice
from ksdiff_jax.outputs import write_document

SCHEMA = "ksdiff-words/1"


class TranscriptFileWarning(Notice):
    """Something in a transcript file was left out or repaired."""


class Spoken(NamedTuple):
    """A word or a line, and its time."""

    text: str
    start_s: float
    end_s: float


class Transcript(NamedTuple):
    """The spoken text. `spoken` is empty if no times are known."""

    text: str
    source: str  # the file, or the model that transcribed it
    unit: Literal["word", "line"] = "word"
    spoken: tuple[Spoken, ...] = ()


def within(transcript: Transcript, *, duration_s: float) -> Transcript:
    """Return the words or lines that begin inside a recording, cut at its end; warn of those that
    begin later.
    """
    kept = tuple(
        item._replace(end_s=min(item.end_s, duration_s))
        for item in transcript.spoken
        if item.start_s < duration_s
    )
    if len(kept) == len(transcript.spoken):
        return transcript._replace(spoken=kept)
    late = f"{len(transcript.spoken) - len(kept)} of {len(transcript.spoken)} {transcript.unit}s"
    warnings.warn(
        f"{transcript.source}: {late} begin after the end of the recording ({duration_s:.2f} s) "
        "and are left out",
        TranscriptFileWarning,
        stacklevel=2,
    )
    return transcript._replace(spoken=kept, text=" ".join(item.text for item in kept))


def write_words(path: str | Path, transcript: Transcript, *, overwrite: bool = False) -> None:
    """Write words or lines with their times as JSON: schema, source, unit, text, spoken = [{text,
    start_s, end_s}].

    Such a file of ours at `path` is replaced; another file is replaced only with `overwrite`.
    """
    content = {
        "schema": SCHEMA,
        "source": transcript.source,
        "unit": transcript.unit,
        "text": transcript.text,
        "spoken": [spoken._asdict() for spoken in transcript.spoken],
    }
    write_document(path, content, overwrite=overwrite)


def lasts(item: Spoken) -> bool:
    """Return whether the times are valid: finite, not negative, the end not before the start."""
    return math.isfinite(item.end_s) and 0 <= item.start_s <= item.end_s
