"""`ksdiff-jax animate` over thousands of recordings: folders, patterns, a list, several hosts.

    reader threads -> batches of one padded length -> a writer thread -> the manifest

Reading, sampling and writing overlap. The manifest (`animate_manifest`) has one line per finished
recording. The same command continues where it stopped: what is done and unchanged is skipped.
Every host takes each N-th recording.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import os
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from ksdiff_jax.animate.many import in_batches, read_ahead, reader_threads
from ksdiff_jax.cli.animate_controls import CONTROL_FILES, CONTROL_OPTIONS
from ksdiff_jax.cli.animate_inputs import Recording, find_recordings, with_distinct_names
from ksdiff_jax.cli.animate_manifest import Manifest, open_manifest, sha256_of, stamp
from ksdiff_jax.cli.animate_outputs import Outputs
from ksdiff_jax.cli.animate_recording import Ready, RecordingAnimator, failure_report
from ksdiff_jax.cli.animate_transcripts import transcript_reader
from ksdiff_jax.cli.console import Console
from ksdiff_jax.cli.many_progress import Progress, summary
from ksdiff_jax.cli.phones_option import Phones
from ksdiff_jax.cli.results_folder import results_folder
from ksdiff_jax.errors import InputError, paths_as_input
from ksdiff_jax.parallel.shares import Share, share
from ksdiff_jax.speech.transcripts.sidecar import find_sidecar

UNWRITTEN = 4  # batches that wait for the writer
_TEMPORARY = re.compile(r"\.(.+)\.[a-z0-9_]{8}(?:\.\w+)?")


def run_many(args: argparse.Namespace, console: Console) -> int:
    """Animate every recording of this host's share that is not done; return 2 if any failed."""
    own = share(args.hosts, args.host_index, os.environ)
    recordings = find_recordings(args)
    with results_folder(args.out) as folder:
        outputs = OutputsOfMany(args, recordings)
        work = RecordingAnimator(args, OfMany(console), outputs, transcript_reader(args))
        given = {"share": own, "versions": _versions(), "overwrite": args.overwrite}
        with open_manifest(folder, _work(args, work), **given) as manifest:
            named = with_distinct_names(recordings, kept=manifest.names, folder=folder)
            return _run(work, named, manifest, console=console, share=own)


def _run(
    work: RecordingAnimator,
    recordings: Sequence[Recording],
    manifest: Manifest,
    *,
    console: Console,
    share: Share,
) -> int:
    mine, unchanged = share.of(recordings), Transcripts(work.args)
    finished = {
        r.path for r in mine if (found := manifest.finished(r.path)) and unchanged(r.path, found)
    }
    todo = [recording for recording in mine if recording.path not in finished]
    _remove_unfinished(work.outputs, todo)
    of_host = f" (host {share.index} of {share.hosts})" if share.hosts > 1 else ""
    console.say(
        f"{len(mine):,} recordings{of_host}, {len(finished):,} done before, {len(todo):,} to do"
    )
    reports = []
    with (
        Progress(console, total=len(todo)) as progress,
        console.without_library_warnings(),
        contextlib.closing(_records(work, todo)) as records,
    ):
        for record in records:
            manifest.add(record)
            if "error" in record:
                reports.append(failure_report(record["input"], record["error"], console))
            else:
                reports.append(_report(record, work.outputs.folder))
            progress.add(reports[-1])
    return summary(console, reports, done_before=len(finished), manifest=manifest.path)


def _records(work: RecordingAnimator, todo: Sequence[Recording]) -> Iterator[dict]:
    """Yield the manifest's record of every recording, when its files are written."""
    size = work.args.batch_size or work.animator.batch_size
    # A transcriber, and a second checkpoint for the pose, are not made for several threads.
    threads = 1 if work.args.transcribe or work.args.pose else reader_threads()

    def read(recording: Recording) -> Ready:
        work.outputs.check(recording.name)
        return work.read(recording.path, recording.name)

    def write(ready: Ready, motions: list, *, sampled_s: float) -> dict:
        started = time.perf_counter()
        try:
            with paths_as_input():
                files = work.write(ready, motions)
        except InputError as error:
            return _failure(Recording(ready.speech, ready.stem), error)
        seconds = {
            "read": ready.read_s,
            "sample": sampled_s,
            "write": time.perf_counter() - started,
        }
        return _record(ready, files, folder=work.outputs.folder, seconds=seconds)

    failures: list[dict] = []
    pending: deque[list[Future]] = deque()
    writer = ThreadPoolExecutor(1, thread_name_prefix="write")
    try:
        ready = _readable(read_ahead(todo, read, threads=threads), failures)
        batches = in_batches(
            ready,
            bucket_of=lambda item: work.animator.bucket(item.utterance.frames),
            frames_of=lambda item: item.utterance.frames,
            size=size,
        )
        for batch in batches:
            started = time.perf_counter()
            motions = work.motions(batch, batch_size=size)
            took_s = (time.perf_counter() - started) / len(batch)
            pairs = zip(batch, motions, strict=True)
            pending.append([writer.submit(write, *pair, sampled_s=took_s) for pair in pairs])
            while len(pending) > UNWRITTEN or (pending and all(f.done() for f in pending[0])):
                yield from [future.result() for future in pending.popleft()]
            while failures:
                yield failures.pop(0)
        for futures in pending:
            yield from [future.result() for future in futures]
        yield from failures
    finally:
        writer.shutdown(wait=True, cancel_futures=True)


def _readable(
    items: Iterable[tuple[Recording, Ready | InputError]], failures: list[dict]
) -> Iterator[Ready]:
    """Yield the recordings that could be read; append the records of the others to `failures`."""
    for recording, found in items:
        if isinstance(found, InputError):
            failures.append(_failure(recording, found))
        else:
            yield found


def _failure(recording: Recording, error: InputError) -> dict:
    return {"input": recording.path, "name": recording.name, "error": str(error)}


def _record(
    ready: Ready, files: Sequence[Path], *, folder: Path, seconds: dict[str, float]
) -> dict:
    about, source = stamp(ready.speech), ready.transcript.source
    said = {"source": source, "sha256": sha256_of(source)} if source else None
    results = [
        {
            "file": file.relative_to(folder).as_posix(),
            "bytes": file.stat().st_size,
            "sha256": sha256_of(file),
        }
        for file in files
    ]
    return {
        "input": ready.speech,
        "name": ready.stem,
        "bytes": about.bytes if about else None,
        "mtime_ns": about.mtime_ns if about else None,
        "sha256": ready.utterance.digest,
        "noise_id": ready.utterance.noise_id,
        "transcript": said,
        "duration_s": ready.duration_s,
        "outputs": results,
        "seconds": {name: round(took, 4) for name, took in seconds.items()},
    }


def _report(record: dict, folder: Path) -> dict:
    """Return what `--json` prints of a recording."""
    return {
        "speech": record["input"],
        "duration_s": record["duration_s"],
        "transcript": record["transcript"]["source"] if record["transcript"] else "",
        "files": [str(folder / output["file"]) for output in record["outputs"]],
        "seconds": record["seconds"],
        "real_time_factor": sum(record["seconds"].values()) / record["duration_s"],
    }


def _work(args: argparse.Namespace, work: RecordingAnimator) -> dict:
    """Return everything that the results depend on, except the recordings."""
    options = dataclasses.asdict(work.animator.options(**work.options))
    return {
        "checkpoint": work.animator.pretrained.digest,
        "seed": args.seed,
        "samples": args.samples,
        "noise_id": args.noise_id,
        "formats": work.outputs.formats,
        "face": sha256_of(args.face) if args.face else None,
        "pose": (sha256_of(args.pose) or args.pose) if args.pose else None,
        "channel": args.channel,
        "audio_stream": args.audio_stream,
        "keyframes": work.keyframes,
        "transcripts": _transcripts(args),
        "gaze": work.gaze,
        "picture": {name: str(value) for name, value in work.picture.items()},
        "controls": _controls(args),
        **_phonemes(work.outputs.phones),
        **options,
    }


def _phonemes(phones: Phones) -> dict[str, str]:
    """Return the digest of the files of `--phonemes`; nothing without the option."""
    if phones.path is None:
        return {}
    files = sorted(phones.path.rglob("*")) if phones.path.is_dir() else [phones.path]
    parts = [f"{file.name} {sha256_of(file)}" for file in files if phones.reads(file)]
    return {
        "phonemes": hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()
    }


def _controls(args: argparse.Namespace) -> dict:
    """Return the options that change the motions: files by their digests, and what was given."""
    given = {name: getattr(args, name) for name in CONTROL_OPTIONS}
    files = {name: sha256_of(given[name]) for name in CONTROL_FILES if given[name]}
    return {name: value for name, value in (given | files).items() if value is not None}


def _transcripts(args: argparse.Namespace) -> str:
    """Return where the transcripts are from."""
    if args.transcript_file:
        return f"file {sha256_of(args.transcript_file)}"
    if args.transcribe:
        return f"transcribed by {args.transcribe}"
    if args.transcript or args.no_sidecar:
        return f"given: {args.transcript}"
    return "beside the recordings"


def _versions() -> dict[str, str]:
    import jax

    from ksdiff_jax import __version__

    return {"ksdiff_jax": __version__, "jax": jax.__version__}


def _remove_unfinished(outputs: "OutputsOfMany", todo: Sequence[Recording]) -> None:
    """Remove the temporary files that a killed run has left of recordings that are made again."""
    final: dict[Path, set[str]] = {}
    for recording in todo:
        for path in outputs.paths(recording.name):
            final.setdefault(path.parent, set()).add(path.stem)
    for folder, stems in final.items():
        with contextlib.suppress(OSError):
            for path in list(folder.iterdir()):
                found = _TEMPORARY.fullmatch(path.name)
                if found and found[1] in stems and path.is_file():
                    path.unlink()


class OfMany(Console):
    """A console that prints the lines of a single recording with `--verbose` only, and no bars."""

    def __init__(self, console: Console):
        super().__init__(
            console.command, quiet=console.quiet, verbose=console.verbose, as_json=console.as_json
        )

    def say(self, line: str = "") -> None:
        """Print a line with `--verbose`."""
        if self.verbose:
            super().say(line)

    @contextlib.contextmanager
    def progress(self, label: str, *, unit: str) -> Iterator:
        """Yield a function that shows nothing: one bar for all recordings is shown."""
        yield lambda done, total: None


class OutputsOfMany(Outputs):
    """The files of a call with many recordings, each of which is compared with the inputs by inode
    number instead of by a list of names.
    """

    several = True

    def __init__(self, args: argparse.Namespace, recordings: Sequence[Recording]):
        folders = [given for given in args.speech if Path(given).is_dir()]
        super().__init__(argparse.Namespace(**vars(args) | {"speech": folders}))
        self._recording_at = {}
        for recording in recordings:
            with contextlib.suppress(OSError, ValueError):
                status = Path(recording.path).stat()
                self._recording_at[status.st_dev, status.st_ino] = recording.path

    def inputs_at(self, path: Path) -> list:
        """Return the inputs that a result at `path` might overwrite."""
        try:
            status = path.stat()
        except OSError:
            return self.inputs
        found = self._recording_at.get((status.st_dev, status.st_ino))
        given = super().inputs_at(path)
        return given if found is None else [found, *given]

    def paths(self, stem: str) -> Iterator[Path]:
        """Yield the paths of every file of a recording."""
        for name in self.names(stem):
            for kind in self.formats:
                yield self.path(name, kind)
        yield self.words(stem)


class Transcripts:
    """Tells whether the transcript beside a recording is the one of its record."""

    def __init__(self, args: argparse.Namespace):
        self._read = _transcripts(args) == "beside the recordings"

    def __call__(self, path: str, record: dict) -> bool:
        """Return whether the transcript is unchanged."""
        if not self._read:
            return True
        if said := record["transcript"]:
            return sha256_of(said["source"]) == said["sha256"]
        return find_sidecar(path) is None
