"""The option `--phonemes FILE|DIR` of `animate` and `export`: the times of phones, from which the
visemes are computed instead of from the motion.
"""

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from ksdiff_jax.errors import InputError

if TYPE_CHECKING:  # slow to import
    from ksdiff_jax.data.corpus.recordings.phone_times import SpeechTimes


def add_phonemes_argument(parser: "argparse.ArgumentParser | argparse._ArgumentGroup") -> None:
    """Add the option."""
    parser.add_argument(
        "--phonemes",
        metavar="FILE|DIR",
        help="times of phones (.TextGrid, .lab, .phn, .ctm, our .words.json) in ARPABET, X-SAMPA "
        "or IPA: visemes are computed from them; a folder has a file for each recording's name",
    )


class Phones:
    """The files of `--phonemes`; without the option no recording has any."""

    def __init__(self, given: str | None, *, several: bool):
        """Raise `InputError` if the path does not exist, or is one file for several recordings."""
        self.given = given
        self.path = Path(given) if given else None
        if self.path is None:
            return
        if not self.path.exists():
            raise InputError(f"--phonemes {given}: no such file; need times of phones, or a folder")
        if several and not self.path.is_dir():
            raise InputError(
                f"--phonemes {given}: one file for several recordings; need a folder with a "
                "file for each, named as the recording"
            )

    def file_of(self, stem: str) -> Path | None:
        """Return the file of a recording, or None if it has none."""
        from ksdiff_jax.data.corpus.recordings.phones_given import find_phones

        if self.path is None or not self.path.is_dir():
            return self.path
        place = self.path / stem  # with the folder of the recording in a tree
        return find_phones(place.parent, place.name) if place.parent.is_dir() else None

    def reads(self, path: Path) -> bool:
        """Return whether a file at this path is, or may be, one of those that are read."""
        from ksdiff_jax.data.corpus.recordings.phones_given import ENDINGS

        if self.path is None or not path.exists():
            return False
        if not self.path.is_dir():
            return path.samefile(self.path)
        inside = self.path.resolve() in path.resolve().parents
        return inside and path.name.lower().endswith(ENDINGS)

    def read(self, stem: str, *, duration_s: float) -> "SpeechTimes":
        """Return the phones and words of a recording; both are empty without the option."""
        from ksdiff_jax.data.corpus.recordings.phone_times import SpeechTimes
        from ksdiff_jax.data.corpus.recordings.phones_given import ENDINGS, read_phones

        if self.path is None:
            return SpeechTimes(())
        file = self.file_of(stem)
        if file is None:
            raise InputError(
                f"--phonemes {self.given}: no file {stem}.* with times of phones in this folder "
                f"({' '.join(ENDINGS)})"
            )
        return read_phones(file, stem=Path(stem).name, duration_s=duration_s)


def phones_of_transcript(source: str, *, stem: str, duration_s: float) -> "SpeechTimes":
    """Return the phones of a transcript if it is a TextGrid that has them. The reason why it has
    none is not an error: it was not named for its phones.
    """
    from ksdiff_jax.data.corpus.recordings.phone_times import SpeechTimes
    from ksdiff_jax.data.corpus.recordings.phones_given import read_phones

    with contextlib.suppress(InputError):
        if source.lower().endswith(".textgrid"):
            return read_phones(Path(source), stem=stem, duration_s=duration_s)
    return SpeechTimes(())
