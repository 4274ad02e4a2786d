"""A transcript: the text, and the times of its words or lines if a file or a model provides them.

Times are seconds from the start of the sound. `write_words` stores them as JSON, schema
`ksdiff-words/1`, with the phones of the recording if they are known; `read_words` reads both.
"""

import json
import math
import warnings
from pathlib import Path
from typing import Literal, NamedTuple

from ksdiff_jax.errors import InputError, Notice
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


def write_words(
    path: str | Path,
    transcript: Transcript,
    *,
    phones: tuple[Spoken, ...] = (),
    overwrite: bool = False,
) -> None:
    """Write words or lines with their times as JSON: schema, source, unit, text, spoken = [{text,
    start_s, end_s}], and phones in IPA, of the same form, if there are any.

    Such a file of ours at `path` is replaced; another file is replaced only with `overwrite`.
    """
    content = {
        "schema": SCHEMA,
        "source": transcript.source,
        "unit": transcript.unit,
        "text": transcript.text,
        "spoken": [spoken._asdict() for spoken in transcript.spoken],
    }
    if phones:
        content["phones"] = [phone._asdict() for phone in phones]
    write_document(path, content, overwrite=overwrite)


def read_words(path: Path, text: str) -> tuple[tuple[Spoken, ...], tuple[Spoken, ...]]:
    """Return the words and the phones of the text of such a file; either may be empty, and lines
    are no words. Raises `InputError` if it is another file.
    """
    try:
        content = json.loads(text)
        if content["schema"] != SCHEMA:
            raise KeyError("schema")
        words = content["spoken"] if content["unit"] == "word" else []
        return tuple(
            tuple(Spoken(str(i["text"]), float(i["start_s"]), float(i["end_s"])) for i in items)
            for items in (words, content.get("phones", []))
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a file of words of ksdiff-jax ({error!r})") from error


def lasts(item: Spoken) -> bool:
    """Return whether the times are valid: finite, not negative, the end not before the start."""
    return math.isfinite(item.end_s) and 0 <= item.start_s <= item.end_s
