"""The files that `ksdiff-jax animate` writes: their names, and whether each may be written.

A recording `talk.wav` becomes `talk.motion.npz`, `talk.mp4` and `talk.png`; with several samples
`talk.1.motion.npz` and so on; with known words `talk.words.json`. Files for other programs have the
endings of export/endings.py.
"""

import argparse
import contextlib
import warnings
from pathlib import Path

from ksdiff_jax.cli.phones_option import Phones
from ksdiff_jax.errors import InputError
from ksdiff_jax.export.endings import ENDINGS
from ksdiff_jax.outputs import check_output, stored_alike
from ksdiff_jax.plain_text import fitting
from ksdiff_jax.speech.transcripts.sidecar import find_sidecar

OWN_FORMATS = {"npz": ".motion.npz", "mp4": ".mp4", "png": ".png"}
FORMATS = OWN_FORMATS | ENDINGS
PURPOSES = {"npz": "motion", "mp4": "video", "png": "plot"}
LONGEST_STEM = 235  # bytes, of the 255 of a file name; numbers and endings come after it


class Outputs:
    """The files of one call. `check` refuses a file that may not be written before any work is
    done; `inputs` are the files that the call reads.
    """

    several = False  # whether the call is for many recordings, however many there are

    def __init__(self, args: argparse.Namespace):
        self.folder, self.overwrite, self.samples = Path(args.out), args.overwrite, args.samples
        self.formats = list(dict.fromkeys(args.formats))
        self.words_are_sure = bool(args.transcribe or args.phonemes)
        self.phones = Phones(args.phonemes, several=self.several or len(args.speech) > 1)
        found = (
            []
            if args.transcript or args.transcript_file or args.no_sidecar
            else map(_sidecar, args.speech)
        )
        given = (
            *args.speech,
            args.transcript_file,
            args.face,
            args.encoder,
            args.checkpoint,
            *found,
        )
        self.inputs = [name for name in given if name]

    def names(self, stem: str) -> list[str]:
        """Return the names of a recording's motions, without endings."""
        return (
            [stem]
            if self.samples == 1
            else [f"{stem}.{number}" for number in range(1, self.samples + 1)]
        )

    def path(self, name: str, kind: str) -> Path:
        """Return the path of a motion in a format."""
        return self.folder / f"{name}{FORMATS[kind]}"

    def words(self, stem: str) -> Path:
        """Return the path of the words with their times."""
        return self.folder / f"{stem}.words.json"

    def check(self, stem: str) -> None:
        """Raise `InputError` if a file of a recording may not be written."""
        for name in self.names(stem):
            for kind in self.formats:
                self._check(self.path(name, kind), kind)
        # Without a transcriber it is not yet known whether there will be words to write.
        self.check_words(stem, overwrite=self.overwrite or not self.words_are_sure)

    def inputs_at(self, path: Path) -> list:
        """Return the inputs that a result at `path` might overwrite."""
        return [*self.inputs, path] if self.phones.reads(path) else self.inputs

    def _check(self, path: Path, kind: str) -> None:
        may = {"overwrite": self.overwrite, "inputs": self.inputs_at(path)}
        if kind in OWN_FORMATS:
            check_output(path, PURPOSES[kind], **may)
        else:
            from ksdiff_jax.export.writers import check_place  # slow to import

            check_place(path, kind, **may)

    def check_words(self, stem: str, *, overwrite: bool) -> None:
        """Raise `InputError` if the words of a recording may not be written."""
        path = self.words(stem)
        check_output(path, "words", overwrite=overwrite, inputs=self.inputs_at(path))


def _sidecar(speech: str) -> Path | None:
    """Return the transcript beside a recording, or None. Its errors are reported when it is
    read.
    """
    with contextlib.suppress(InputError, OSError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return find_sidecar(speech)
    return None


def file_stems(speeches: list[str], *, folder: str | Path = ".") -> list[str]:
    """Return one name for the files of each recording: its stem, shortened if it is too long,
    numbered if `folder` would store two of them as one.
    """
    taken: set[str] = set()
    alike = stored_alike(folder) if len(speeches) > 1 else str
    stems = []
    for speech in speeches:
        own = fitting(Path(speech).stem, max_bytes=LONGEST_STEM)
        stem, number = own, 1
        while alike(stem) in taken:
            number += 1
            stem = f"{own}-{number}"
        taken.add(alike(stem))
        stems.append(stem)
    return stems
