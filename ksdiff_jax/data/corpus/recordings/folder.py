"""Finds recordings of speech below a folder, each with the times of its phones and its transcript.

    DIR/anna/a1.wav   DIR/anna/a1.TextGrid   DIR/anna/a1.txt
    DIR/ben/b1.flac   DIR/ben/b1.lab

The first folder below DIR is the speaker, `anna` or `ben`. Recordings in DIR itself are of one
person, named after DIR. A `.lab` file without times, or a TextGrid of words alone, is a transcript.
"""

from pathlib import Path
from typing import NamedTuple

from ksdiff_jax.data.corpus.recordings.phone_times import ENDINGS, SpeechTimes, read_times
from ksdiff_jax.data.prepare.layouts import SOUNDS, files_with_endings
from ksdiff_jax.errors import InputError
from ksdiff_jax.plain_text import printable
from ksdiff_jax.speech.transcripts.read import read_transcript


class Recording(NamedTuple):
    """A recording; `times` is None if no file beside it has any."""

    path: Path
    name: str  # its path below the folder, without the extension
    speaker_id: str
    times: SpeechTimes | None
    times_path: Path | None
    transcript: str


def find_recordings(folder: Path, *, speaker: str = "") -> list[Recording]:
    """Return the recordings below a folder, sorted by name; `speaker` overrides the folders."""
    if not folder.is_dir():
        raise InputError(f"--speech {folder}: no such folder; name one of recordings")
    files = files_with_endings(folder, SOUNDS)
    if not files:
        raise InputError(f"--speech {folder}: no recording ({' '.join(SOUNDS)}) in it")
    paths: dict[str, Path] = {}
    for path, name in files:
        if name in paths:
            raise InputError(
                f"{paths[name]} and {path.name}: two recordings of one name; rename one of them"
            )
        paths[name] = path
    own = folder.resolve().name
    return [
        _recording(path, name, speaker or (name.split("/")[0] if "/" in name else own))
        for name, path in sorted(paths.items())
    ]


def _recording(path: Path, name: str, speaker: str) -> Recording:
    beside = {
        entry.suffix.lower(): entry
        for entry in sorted(path.parent.glob("*"))
        if entry.stem == path.stem and entry.is_file()
    }
    times, times_path = None, None
    for ending in ENDINGS:
        if ending in beside and (times := read_times(beside[ending])) is not None:
            times_path = beside[ending]
            break
    endings = (".txt", ".lab", ".textgrid")
    spoken = next((beside[ending] for ending in endings if ending in beside), None)
    text = ""
    if spoken is not None and spoken != times_path:
        text = read_transcript(spoken).text
    elif times is not None:
        text = " ".join(word.text for word in times.words)
    return Recording(path, printable(name), printable(speaker), times, times_path, text)
