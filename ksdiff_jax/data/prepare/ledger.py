"""The ledger of finished sources: one file per source in a work folder, complete or absent, so that
a stopped run can resume.

A file is named by the SHA-256 of everything that its contents depend on: the source, the settings,
size and time of the source's files and transcripts, and `VERSION` of the code that makes clips. It
is a TFRecord: first a JSON header (rejections, seconds), then the clips. The folder may be remote
(`gs://...`), because every file is written and read in one piece.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from etils import epath

from ksdiff_jax.data.prepare.source import Cut, Offset, Outcome, Rejection, Settings, Source
from ksdiff_jax.data.schema import Clip, decode_clip, encode_clip
from ksdiff_jax.data.tfrecord import FOOTER, HEADER, frame, masked_crc32c
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import replacing
from ksdiff_jax.plain_text import json_text
from ksdiff_jax.speech.transcripts.sidecar import ENDINGS

VERSION = 4  # increased when the same source gives other clips


class Entry(NamedTuple):
    """The facts about a finished source, without its clips."""

    source_id: str
    speaker_id: str
    space: str  # "": no clips
    clip_seconds: tuple[float, ...]
    rejections: tuple[Rejection, ...]
    work_s: float  # time spent on it
    cut: Cut = Cut()
    notes: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()  # of the source's files
    offsets: tuple[Offset, ...] = ()


def source_key(source: Source, settings: Settings) -> str:
    """Return the name of a source's file, from everything that its outcome depends on."""
    files = {}
    for path in filter(None, (source.video, source.audio, source.coefficients)):
        try:
            stat = epath.Path(path).stat()
            files[path] = [stat.length, stat.mtime]
        except (OSError, ValueError):
            files[path] = None  # missing: the source will be rejected until the file exists
        files |= _transcripts(path)
    # The path of the tracker's Python does not change its results.
    relevant = dataclasses.asdict(settings) | {"tracker_python": ""}
    if not settings.pictures:  # sources finished by versions without pictures stay finished
        del relevant["pictures"]
    content = [VERSION, dataclasses.asdict(source), relevant, files]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _transcripts(path: str) -> dict[str, list]:
    """Return size and time of the transcripts beside a local file, so that a source is processed
    again if its words change.
    """
    found = {}
    for ending in (".TextGrid", *ENDINGS) if "://" not in path else ():
        with suppress(OSError, ValueError):
            beside = Path(path).with_suffix(ending)
            stat = beside.stat()
            found[str(beside)] = [stat.st_size, stat.st_mtime]
    return found


class Ledger:
    """The work folder. A plain value: each process and machine may have one."""

    def __init__(self, folder: str):
        self.folder = str(folder)

    def path(self, key: str) -> epath.Path:
        """Return the path of a finished source."""
        return epath.Path(self.folder) / key[:2] / f"{key}.tfrecord"

    def keep(self, key: str, source: Source, outcome: Outcome, *, work_s: float) -> Entry:
        """Write the outcome of a source.

        Clips that violate an invariant raise `InputError`, as does a full disk.
        """
        spaces = {clip.space for clip in outcome.clips}
        if len(spaces) > 1:
            raise InputError(
                f"{source.source_id}: clips of spaces {' and '.join(sorted(spaces))}; need one"
            )
        entry = Entry(
            source.source_id,
            source.speaker_id,
            next(iter(spaces), ""),
            tuple(round(clip.duration_s, 3) for clip in outcome.clips),
            outcome.rejections,
            round(work_s, 3),
            outcome.cut,
            outcome.notes,
            outcome.digests,
            outcome.offsets,
        )
        header = json_text(entry._asdict()).encode()
        data = b"".join(map(frame, (header, *map(encode_clip, outcome.clips))))
        path = self.path(key)
        if "://" in self.folder:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        else:
            with replacing(str(path)) as temporary:
                temporary.write_bytes(data)
        return entry

    def find(self, key: str) -> Entry | None:
        """Return the entry of a finished source; None if it is not finished, or its file is
        damaged.
        """
        try:
            with self.path(key).open("rb") as file:
                raw = json.loads(next(_records(file)))
        except (OSError, InputError, StopIteration, ValueError):
            return None
        rejections = tuple(Rejection(*item) for item in raw.pop("rejections"))
        cut, notes = Cut(*raw.pop("cut", ())), tuple(raw.pop("notes", ()))
        offsets = tuple(Offset(*item) for item in raw.pop("offsets", ()))
        raw |= {name: tuple(raw.pop(name, ())) for name in ("clip_seconds", "digests")}
        return Entry(**raw, rejections=rejections, cut=cut, notes=notes, offsets=offsets)

    def clips(self, key: str) -> Iterator[Clip]:
        """Yield the clips of a finished source, read from its file one at a time."""
        with self.path(key).open("rb") as file:
            records = _records(file, where=str(self.path(key)))
            space = json.loads(next(records))["space"]
            yield from (decode_clip(record, space=space) for record in records)


def _records(file, *, where: str = "") -> Iterator[bytes]:
    """Yield the TFRecords of an open file of any file system, with checksums verified."""
    while header := file.read(HEADER.size):
        if len(header) == HEADER.size:
            length, length_crc = HEADER.unpack(header)
            if length_crc == masked_crc32c(header[:8]):
                data, footer = file.read(length), file.read(FOOTER.size)
                if footer == FOOTER.pack(masked_crc32c(data)):
                    yield data
                    continue
        raise InputError(
            f"{where}: damaged; delete this file and start again, its source is then processed "
            "again"
        )
