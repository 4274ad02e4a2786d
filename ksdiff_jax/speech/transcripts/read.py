"""Reads a transcript file of any format. The reader is selected by the content, and by the file
extension only if the content is ambiguous.

| extension | format | times of |
|---|---|---|
| .TextGrid | Praat's and the aligners' annotation | words |
| .lab, .mlf | HTK labels, or plain words | words |
| .align | words of the GRID corpus | words |
| .ctm | words of NIST's and Kaldi's tools | words |
| .json | Whisper and other recognisers, `words.json` of this program | words |
| .csv, .tsv, .txt | tables of Whisper, of the Montreal aligner and of ELAN | words or lines |
| .srt, .vtt, .sbv, .ass, .ssa, .ttml, .dfxp | subtitles | words or lines |
| .lrc | lyrics | words or lines |
| .txt, others | labels of Audacity, lines with times, plain text | words or lines, or none |

A SubRip file named `.vtt` or `.txt` is read as SubRip, so its times do not become spoken text.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.ass import is_substation, read_substation
from ksdiff_jax.speech.transcripts.audacity import has_labels, read_label_track
from ksdiff_jax.speech.transcripts.ctm import read_ctm
from ksdiff_jax.speech.transcripts.cues import has_cues
from ksdiff_jax.speech.transcripts.encoding import read_text
from ksdiff_jax.speech.transcripts.labels import MASTER, has_label_lines, read_labels
from ksdiff_jax.speech.transcripts.plain import read_plain
from ksdiff_jax.speech.transcripts.recogniser_json import is_json, read_json
from ksdiff_jax.speech.transcripts.spoken_words import Transcript, TranscriptFileWarning
from ksdiff_jax.speech.transcripts.stamped import has_stamps, read_stamped
from ksdiff_jax.speech.transcripts.subtitles import read_subtitles
from ksdiff_jax.speech.transcripts.tables import has_heading, has_rows, read_rows, read_table
from ksdiff_jax.speech.transcripts.text_grid import is_text_grid, read_text_grid
from ksdiff_jax.speech.transcripts.timed_text import is_xml, read_timed_text

Reader = Callable[[Path, str], Transcript]

# Formats detected from the text, independent of the file name; the first match is used.
_BY_CONTENT: tuple[tuple[Callable[[str], bool], Reader], ...] = (
    (is_text_grid, read_text_grid),
    (is_substation, read_substation),
    (is_xml, read_timed_text),
    (has_cues, read_subtitles),
)
_BY_ENDING: dict[str, Reader] = {
    ".textgrid": read_text_grid,
    ".json": read_json,
    ".csv": read_table,
    ".tsv": read_table,
    ".srt": read_subtitles,
    ".vtt": read_subtitles,
    ".sbv": read_subtitles,
    ".ass": read_substation,
    ".ssa": read_substation,
    ".ttml": read_timed_text,
    ".dfxp": read_timed_text,
    ".lrc": read_stamped,
}
# Possible formats of a text without an extension of its own.
_IN_PLAIN: tuple[tuple[Callable[[str], bool], Reader], ...] = (
    (has_labels, read_label_track),
    (has_stamps, read_stamped),
    (has_heading, read_table),
    (has_rows, read_rows),
)
_JSON_STARTS = ("{", "[{", "[\n")


def read_transcript(path: str | Path, *, recording: str | Path | None = None) -> Transcript:
    """Read a transcript file of any of the formats above.

    `recording` selects the words in a file with several recordings; by default the file's own name
    does. Raises `InputError` with file and line if nothing can be read, and warns of single lines
    that cannot be parsed.
    """
    path = Path(path)
    text = read_text(path)
    if not text.strip():
        raise InputError(
            f"{path}: an empty file; write the spoken words into it, or leave the transcript out"
        )
    transcript = _read(path, text, stem=Path(path if recording is None else recording).stem)
    if not transcript.text:
        warnings.warn(f"{path}: contains no spoken words", TranscriptFileWarning, stacklevel=2)
    return transcript


def _read(path: Path, text: str, *, stem: str) -> Transcript:
    ending = path.suffix.lower()
    if text.startswith(MASTER):
        return read_labels(path, text, stem=stem)
    if text.lstrip().startswith(_JSON_STARTS) and is_json(text):
        return read_json(path, text)
    if reader := next((reader for shows, reader in _BY_CONTENT if shows(text)), None):
        return reader(path, text)
    if ending in (".lab", ".mlf", ".align"):
        return read_labels(path, text, stem=stem)
    if ending == ".ctm":
        return read_ctm(path, text, stem=stem)
    if ending in _BY_ENDING:
        return _BY_ENDING[ending](path, text)
    if has_label_lines(text):
        return read_labels(path, text, stem=stem)
    return next((reader for shows, reader in _IN_PLAIN if shows(text)), read_plain)(path, text)
