"""Plain text, `.txt` and `.md`: every line is spoken, without Markdown marks and text that is never
spoken.
"""

import re
from pathlib import Path

from ksdiff_jax.speech.transcripts.never_spoken import spoken_text
from ksdiff_jax.speech.transcripts.spoken_words import Transcript

_HEADING = re.compile(r"^[ \t]{0,3}(?:#{1,6}[ \t]+|>[ \t]+|[*+][ \t]+)", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\[\]\n]*)\]\([^()\s]*\)")
_EMPHASIS = re.compile(r"(\*\*|__)(?=\S)([^*_\n]+)(?<=\S)\1")
_RULE = re.compile(r"^[ \t]*(?:-{3,}|\*{3,}|_{3,}|={3,})[ \t]*$|^```.*$", re.MULTILINE)
# TIMIT's prompts: the first and the last sample, then the words.
_TIMIT = re.compile(r"\s*0 \d{4,12} (?=\S)")
# MicroDVD's subtitles: the first and the last picture; the frame rate is not known here.
_FRAMES = re.compile(r"^\{\d{1,9}\}\{\d{0,9}\}", re.MULTILINE)


def read_plain(path: Path, text: str) -> Transcript:
    """Read the text line by line."""
    text = (
        _TIMIT.sub("", text, count=1)
        if text.strip().count("\n") == 0 and _TIMIT.match(text)
        else text
    )
    if _FRAMES.match(text):
        text = _FRAMES.sub("", text).replace("|", "\n")
    text = _RULE.sub("", _HEADING.sub("", _LINK.sub(r"\1", text)))
    return Transcript(spoken_text(_EMPHASIS.sub(r"\2", text)), str(path))
