"""`.ass` and `.ssa`, the subtitles of SubStation Alpha: a header, and a line for each event.

    [Events]
    Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
    Dialogue: 0,0:00:01.00,0:00:02.50,Default,Ada,0,0,0,,{\\i1}What is\\N{\\k20}said.

The text is the last field and may contain commas. Comments and drawings (`{\\p1}m 0 0 l ...{\\p0}`)
are not text.
"""

import re
from pathlib import Path

from ksdiff_jax.speech.transcripts.broken_lines import BrokenLines, NumberedText, timed_transcript
from ksdiff_jax.speech.transcripts.cues import seconds
from ksdiff_jax.speech.transcripts.never_spoken import spoken_text
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript

_HEADING = re.compile(r"\s*\[(?:Script Info|V4\+? Styles|Events)\]", re.IGNORECASE)
_FORMAT = [
    "layer",
    "start",
    "end",
    "style",
    "name",
    "marginl",
    "marginr",
    "marginv",
    "effect",
    "text",
]
_TIME = re.compile(r"(-?)(\d{1,9}):(\d{1,9}):(\d{1,9})(?:[.,:](\d{1,30}))?")
_OVERRIDE = re.compile(r"\{([^{}]*)\}")
_DRAWS = re.compile(r"\\p(\d)")
_BREAK = re.compile(r"\\[Nnh]")


def is_substation(text: str) -> bool:
    """Return whether a text begins with a section of this format."""
    return _HEADING.match(text[:1000]) is not None


def read_substation(path: Path, text: str) -> Transcript:
    """Read the lines of the dialogue."""
    broken, texts, fields, in_events = BrokenLines(path), [], _FORMAT, False
    for number, line in enumerate(text.split("\n"), start=1):
        name, _, content = line.partition(":")
        name = name.strip().lower()
        if line.lstrip().startswith("["):
            in_events = name == "[events]"
        elif name == "format" and in_events:
            fields = [field.strip().lower() for field in content.split(",")]
        elif name == "dialogue":
            row = dict(zip(fields, content.split(",", len(fields) - 1), strict=False))
            start, end = (_TIME.fullmatch(row.get(field, "").strip()) for field in ("start", "end"))
            if not (start and end and "text" in row):
                broken.add(number, line, "; need Dialogue: with a start, an end and a text")
            elif words := " ".join(spoken_text(_bare(row["text"])).split()):
                texts.append(
                    NumberedText(
                        Spoken(words, seconds(start.groups()), seconds(end.groups())), number
                    )
                )
    return timed_transcript(path, texts, broken, unit="line")


def _bare(text: str) -> str:
    pieces = _OVERRIDE.split(text)  # text and overrides alternate
    kept, draws = pieces[:1], False
    for override, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        if found := _DRAWS.findall(override):
            draws = found[-1] != "0"
        kept.append("" if draws else piece)
    return _BREAK.sub("\n", "".join(kept))
