"""A transcript as a file tells it: the text, and where the file knows them, the times of its words or lines.

Beside `speech.wav` these are looked for, in this order; the first that is there is read:

| file | what it is | times of |
|---|---|---|
| speech.TextGrid | Praat's and the Montreal aligner's annotation, long or short form | words |
| speech.lab | HTK labels `start end label`, or plain words as the aligner reads them | words |
| speech.srt, speech.vtt | subtitles | lines |
| speech.txt | plain text | - |

Text is UTF-8, with or without a byte-order mark, or UTF-16 with one. Times are seconds from the start of the sound.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from ksdiff_jax.errors import InputError
from ksdiff_jax.files import write_json

SCHEMA = "ksdiff-words/1"


class Spoken(NamedTuple):
    """A word or a line, and when it is said."""

    text: str
    start_s: float
    end_s: float


class Transcript(NamedTuple):
    """What is said. `spoken` is empty where no times are known."""

    text: str
    source: str  # the file, or the model that heard it
    unit: Literal["word", "line"] = "word"
    spoken: tuple[Spoken, ...] = ()


def find_sidecar(speech: str | Path) -> Path | None:
    """The transcript that lies beside a recording under its name, if one does."""
    if not Path(speech).name:  # "." or "/": no recording, and nothing beside it
        return None
    beside = (Path(speech).with_suffix(suffix) for suffix in readers())
    return next((path for path in beside if path.is_file() and path != Path(speech)), None)


def read_transcript(path: str | Path) -> Transcript:
    """A transcript file of any of the kinds above; other endings are read as plain text.

    Raises `InputError` with file and line where it cannot be read as what its ending says.
    """
    path = Path(path)
    return readers().get(path.suffix, _plain)(path, read_text(path))


def readers() -> dict[str, Callable[[Path, str], Transcript]]:
    """How each ending is read, in the order in which sidecars are looked for."""
    from ksdiff_jax.speech.transcripts.labels import read_labels
    from ksdiff_jax.speech.transcripts.subtitles import read_srt, read_vtt
    from ksdiff_jax.speech.transcripts.text_grid import read_text_grid

    return {".TextGrid": read_text_grid, ".lab": read_labels, ".srt": read_srt, ".vtt": read_vtt, ".txt": _plain}


def read_text(path: Path) -> str:
    """The text of a file: UTF-8, or UTF-16 with a byte-order mark; line ends become newlines."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not {encoding.removesuffix('-sig').upper()} text (byte {error.start}); save it as UTF-8"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def write_words(path: str | Path, transcript: Transcript) -> None:
    """Words or lines with their times as JSON: schema, source, unit, text, spoken = [{text, start_s, end_s}]."""
    content = {
        "schema": SCHEMA,
        "source": transcript.source,
        "unit": transcript.unit,
        "text": transcript.text,
        "spoken": [spoken._asdict() for spoken in transcript.spoken],
    }
    write_json(path, content)


def ordered(spoken: list[Spoken], *, path: Path, lines: list[int]) -> tuple[Spoken, ...]:
    """The words in time; raises `InputError` at the line of one that ends before it starts."""
    for item, line in zip(spoken, lines, strict=True):
        if not 0 <= item.start_s <= item.end_s:
            raise InputError(
                f"{path}, line {line}: {item.text!r} from {item.start_s:g} to {item.end_s:g} s; need 0 <= start <= end"
            )
    return tuple(sorted(spoken, key=lambda item: (item.start_s, item.end_s)))


def _plain(path: Path, text: str) -> Transcript:
    return Transcript(text.strip(), str(path))
