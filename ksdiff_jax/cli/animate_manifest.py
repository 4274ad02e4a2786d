"""The manifest of `ksdiff-jax animate` over many recordings: what was made from what, and where a
stopped run continues.

`manifest.jsonl` is in the output folder; each of N hosts has one of its own,
`manifest.K-of-N.jsonl`. The first line holds what all recordings share:

    {"schema": "ksdiff-animations/1", "work": {checkpoint, seed, options, formats, ...},
     "hosts": N, "host": K, "versions": {...}}

Every further line is a finished recording or a failure; the last line of a recording counts:

    {"input", "name", "bytes", "mtime_ns", "sha256", "noise_id", "transcript", "duration_s",
     "outputs": [{"file", "bytes", "sha256"}, ...], "seconds": {"read", "sample", "write"}}
    {"input", "name", "error"}

A line is appended, and forced to disk, when the files of its recording are complete. A process that
is killed loses the recordings that it was working on, and leaves at most one incomplete line, which
the next run removes. The file is locked while its run lasts; the lock ends with the process.
"""

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple

from ksdiff_jax import locks
from ksdiff_jax.errors import InputError
from ksdiff_jax.parallel.shares import Share
from ksdiff_jax.plain_text import json_text

SCHEMA = "ksdiff-animations/1"
PATIENCE_S = 2.0  # a run that was just killed may hold its lock for a moment
_NAME = re.compile(r"manifest(\.\d+-of-\d+)?\.jsonl")


class Stamp(NamedTuple):
    """The identity of a file on disk without its content."""

    bytes: int
    mtime_ns: int


def stamp(path: str | Path) -> Stamp | None:
    """Return size and time of a file; None if there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return Stamp(status.st_size, status.st_mtime_ns)


def sha256_of(path: str | Path) -> str | None:
    """Return the digest of a file; None if it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def manifest_name(share: Share) -> str:
    """Return the file name of a host's manifest."""
    return (
        "manifest.jsonl" if share.hosts == 1 else f"manifest.{share.index}-of-{share.hosts}.jsonl"
    )


class Manifest:
    """The manifest of this run; `records` has the last record of every recording, by its path, of
    all manifests of the folder.
    """

    def __init__(self, path: Path, file: IO[bytes], records: dict[str, dict]):
        self.path, self._file, self.records = path, file, records

    @property
    def names(self) -> dict[str, str]:
        """Return the names of results that are in use, by the path of the recording."""
        return {path: record["name"] for path, record in self.records.items()}

    def add(self, record: Mapping) -> None:
        """Append a record and force it to disk; raise `InputError` if the disk is full."""
        try:
            self._file.write((json_text(record) + "\n").encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot write ({error.strerror}); the same command continues here"
            ) from error
        self.records[record["input"]] = dict(record)

    def finished(self, path: str) -> dict | None:
        """Return the record of a recording if it is done: the recording and its transcript are
        unchanged, and every result is there in its size. None: it is to be animated.
        """
        record = self.records.get(path)
        if record is None or "outputs" not in record:
            return None
        now = stamp(path)
        if now is None or now.bytes != record["bytes"]:
            return None
        if now.mtime_ns != record["mtime_ns"] and sha256_of(path) != record["sha256"]:
            return None
        for output in record["outputs"]:
            found = stamp(self.path.parent / output["file"])
            if found is None or found.bytes != output["bytes"]:
                return None
        return record


@contextlib.contextmanager
def open_manifest(
    folder: Path, work: Mapping, *, share: Share, versions: Mapping, overwrite: bool
) -> Iterator[Manifest]:
    """Open, or begin, the manifest of this host, and keep other runs out of it during the block.

    `work` is what all results of the folder have in common. Raise `InputError` if another run
    writes into this folder, and, without `overwrite`, if its results are of other work. With
    `overwrite` results of other work are forgotten, and made again.
    """
    path = folder / manifest_name(share)
    with contextlib.ExitStack() as stack:
        _check_mark(path, overwrite=overwrite)
        try:
            file = stack.enter_context(path.open("ab+"))
        except OSError as error:
            raise InputError(
                f"{path}: cannot be written ({error.strerror}); name another --out"
            ) from error
        if not _taken(file):
            raise InputError(
                f"{path}: another run is writing into this folder; let it end, or name another "
                "--out"
            )
        others = [other for other in _manifests(folder) if other != path]
        _refuse_other_hosts(others, share)
        records: dict[str, dict] = {}
        for other in others:
            header, lines = _content(other)
            if _differs(header, work, other, overwrite=overwrite):
                other.unlink(missing_ok=True)
            else:
                records |= lines
        header, lines = _content(path)
        if header is None or _differs(header, work, path, overwrite=overwrite):
            file.truncate(0)
            first = {"schema": SCHEMA, "work": work, "hosts": share.hosts, "host": share.index}
            file.write((json_text(first | {"versions": versions}) + "\n").encode())
            file.flush()
        else:
            records |= {name: line for name, line in lines.items() if _is_better(line, records)}
            _cut_incomplete_line(file, path)
        yield Manifest(path, file, records)


def _is_better(line: Mapping, records: Mapping[str, Mapping]) -> bool:
    """Return whether a record replaces that of another host: a failure does not replace a
    result.
    """
    return "outputs" in line or "outputs" not in records.get(line["input"], {})


def _manifests(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def _taken(file: IO) -> bool:
    """Return whether this process has the lock now; True also on a disk without locks."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            if locks.take_at_once(file):
                return True
        except OSError:
            return True
        if time.monotonic() > until:
            return False
        time.sleep(0.1)


def _refuse_other_hosts(others: list[Path], share: Share) -> None:
    """Raise `InputError` if a run with another number of hosts is writing into the folder."""
    for other in others:
        if other.name.endswith(f"-of-{share.hosts}.jsonl"):
            continue  # another host of this run
        with contextlib.suppress(OSError), other.open("ab") as file:
            if not locks.take_at_once(file):
                raise InputError(
                    f"{other}: a run with another number of hosts is writing into this folder; "
                    "let it end, or name another --out"
                )


def _check_mark(path: Path, *, overwrite: bool) -> None:
    """Raise `InputError` if a file that is not a manifest has its name."""
    if not os.path.lexists(path) or (path.is_file() and not path.stat().st_size):
        return
    if not path.is_file():
        raise InputError(f"{path}: not a file; name another --out")
    if _content(path)[0] is None and not overwrite:
        raise InputError(
            f"{path}: a file without the mark of ksdiff-jax is there; name another --out, or "
            "replace it with --overwrite"
        )


def _content(path: Path) -> tuple[dict | None, dict[str, dict]]:
    """Return the first line, None if it is not that of a manifest, and the last complete record of
    every recording.
    """
    header, records = None, {}
    with contextlib.suppress(OSError), path.open("rb") as file:
        for line in file:
            try:
                value = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                value = None
            if header is None:
                if not isinstance(value, dict) or value.get("schema") != SCHEMA:
                    break
                header = value
            elif isinstance(value, dict) and {"input", "name"} <= set(value):
                records[value["input"]] = value
    return header, records


def _cut_incomplete_line(file: IO[bytes], path: Path) -> None:
    """Remove what a killed process has written after the last newline."""
    content = path.read_bytes()
    if (complete := content.rfind(b"\n") + 1) < len(content):
        file.truncate(complete)


def _differs(header: dict | None, work: Mapping, path: Path, *, overwrite: bool) -> bool:
    """Return whether a manifest is of other work; raise `InputError` then unless `overwrite`."""
    if header is None:
        return False
    # as JSON, because a manifest was written as JSON
    ours, theirs = json.loads(json_text(work)), header.get("work", {})
    names = sorted(name for name in ours | theirs if ours.get(name) != theirs.get(name))
    if names and not overwrite:
        name = names[0]
        raise InputError(
            f"{path}: results of another {name} ({_short(theirs.get(name))}; this command has "
            f"{_short(ours.get(name))}); name another --out, or make all again with --overwrite"
        )
    return bool(names)


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json_text(value)
    return text if len(text) <= 60 else f"{text[:12]}..."
