"""Converts many sources to a data set: processes the unfinished ones, assigns splits by speaker,
writes shards and report.json.

    sources -> finished in the work folder (ledger.py) -> splits.py
            -> out/*.tfrecord, dataset.json, report.json

A second run takes finished sources from the work folder, so a killed run loses only the sources
that it was processing.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.data.prepare.ledger import Entry, Ledger, source_key
from ksdiff_jax.data.prepare.pool import finish_all
from ksdiff_jax.data.prepare.source import REASONS, Cut, Rejection, Settings, Source
from ksdiff_jax.data.prepare.splits import DEFAULT_RULE, SPLITS, SplitRule, assign_splits
from ksdiff_jax.data.prepare.work import Work, work
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.shards import DatasetInfo, write_dataset
from ksdiff_jax.errors import InputError
from ksdiff_jax.outputs import check_output_folder
from ksdiff_jax.ownership import DATA_SET
from ksdiff_jax.plain_text import json_text

REPORT = "report.json"
REPORT_SCHEMA = "ksdiff-prepare/1"

# (unfinished tasks, settings, ledger) -> entries as they finish
Runner = Callable[[Sequence[tuple[str, Source]], Settings, Ledger], Iterator[Entry]]
Progress = Callable[[int, int], None]


class Finished(NamedTuple):
    """Every source with its key in the ledger and its entry, in the order of the sources."""

    sources: tuple[Source, ...]
    keys: tuple[str, ...]
    entries: tuple[Entry, ...]
    kept: int  # of these sources, the number that an earlier run had finished
    ledger: Ledger


def local_runner(*, processes: int | None = None, work: Work = work) -> Runner:
    """Run processes on this machine, by default one per core."""
    count = processes or os.cpu_count() or 1
    return lambda tasks, settings, ledger: finish_all(
        tasks, settings, ledger, processes=count, work=work
    )


def check_out(
    out: str | Path,
    *,
    overwrite: bool = False,
    inputs: Iterable[str | Path] = (),
    work: str | Path | None = None,
) -> Path:
    """Return the folder to write; raise `InputError` if it contains something other than a data
    set, an input or the work folder.
    """
    out = Path(out)
    check_output_folder(out, DATA_SET, overwrite=overwrite, inputs=inputs)
    if work and "://" not in str(work):
        if Path(work).is_file():
            raise InputError(
                f"{work}: a file is in the way of this work folder; name another with --work"
            )
        if out.resolve() in (Path(work).resolve(), *Path(work).resolve().parents):
            raise InputError(
                f"{work}: this work folder is inside --out {out}, which is replaced; name another "
                "--work"
            )
    return out


def finish_sources(
    sources: Sequence[Source],
    settings: Settings,
    ledger: Ledger,
    *,
    runner: Runner,
    progress: Progress = lambda done, total: None,
) -> Finished:
    """Process every source that is not in the ledger yet, and again those that failed
    unexpectedly.
    """
    keys = tuple(source_key(source, settings) for source in sources)
    entries = {
        key: entry for key in keys if (entry := ledger.find(key)) is not None and not _failed(entry)
    }
    tasks = [(key, source) for key, source in zip(keys, sources, strict=True) if key not in entries]
    kept = len(sources) - len(tasks)
    progress(kept, len(sources))
    for done, _ in enumerate(runner(tasks, settings, ledger), start=kept + 1):
        progress(done, len(sources))
    for key, source in tasks:
        if (entry := ledger.find(key)) is None:
            raise InputError(
                f"{ledger.path(key)}: {source.source_id} is not finished there; start again, it "
                "goes on"
            )
        entries[key] = entry
    return Finished(tuple(sources), keys, tuple(entries[key] for key in keys), kept, ledger)


def write_prepared(
    out: str | Path,
    finished: Finished,
    *,
    rule: SplitRule = DEFAULT_RULE,
    licence: str = "",
    made_by: str = "ksdiff-jax prepare",
    overwrite: bool = False,
) -> tuple[DatasetInfo, dict]:
    """Write shards and report.json of everything that is finished; return the description and the
    report.
    """
    usable = {
        source.source_id: i
        for i, source in enumerate(finished.sources)
        if finished.entries[i].clip_seconds
    }
    if not usable:
        rejections = list(_rejections(finished))
        counts = Counter(rejection.reason for rejection in rejections)
        summary = (
            ", ".join(f"{count} {reason}" for reason, count in counts.most_common()) or "no clips"
        )
        first = f"; the first: {rejections[0].detail}" if rejections else ""
        raise InputError(
            f"{out}: none of {len(finished.sources)} sources is usable ({summary}){first}; all "
            f"are in {finished.ledger.folder}"
        )
    spaces = Counter(finished.entries[i].space for i in usable.values())
    if len(spaces) > 1:
        summary = " and ".join(
            f"{count} in {space} space" for space, count in sorted(spaces.items())
        )
        raise InputError(
            f"{out}: {summary}; one data set has coefficients of one face model, prepare them "
            "separately"
        )
    speakers = {name: finished.sources[i].speaker_id for name, i in usable.items()}
    splits = assign_splits(speakers, rule)

    def clips(split: str) -> Iterator[Clip]:
        for name, i in usable.items():
            if splits[name] == split:
                yield from finished.ledger.clips(finished.keys[i])

    present = [split for split in SPLITS if split in splits.values()]
    report = report_of(finished, splits, made_by=made_by)
    beside = {REPORT: json_text(report, indent=1) + "\n"}
    by_split = {split: clips(split) for split in present}
    seen = [finished.entries[i] for name, i in usable.items() if splits[name] != "test"]
    info = write_dataset(
        out,
        by_split,
        licence=licence,
        made_by=made_by,
        source_digests=sorted({digest for entry in seen for digest in entry.digests}),
        beside=beside,
        overwrite=overwrite,
    )
    return info, report


def report_of(finished: Finished, splits: Mapping[str, str], *, made_by: str) -> dict:
    """Return the contents of report.json: counts, hours and speakers per split, every rejection,
    every source.
    """
    chosen = [
        (splits.get(s.source_id), s, e)
        for s, e in zip(finished.sources, finished.entries, strict=True)
    ]
    reasons = Counter(rejection.reason for rejection in _rejections(finished))
    return {
        "schema": REPORT_SCHEMA,
        "made_by": made_by,
        "sources": len(finished.sources),
        "sources_finished_before": finished.kept,
        "work_s": round(sum(entry.work_s for entry in finished.entries), 1),
        "clips": sum(len(entry.clip_seconds) for entry in finished.entries),
        "hours": sum(sum(entry.clip_seconds) for entry in finished.entries) / 3600,
        "splits": {
            split: {
                "sources": sum(1 for name, _, _ in chosen if name == split),
                "clips": sum(len(entry.clip_seconds) for name, _, entry in chosen if name == split),
                "hours": sum(sum(entry.clip_seconds) for name, _, entry in chosen if name == split)
                / 3600,
                "speakers": sorted(
                    {source.speaker_id for name, source, _ in chosen if name == split}
                ),
            }
            for split in SPLITS
        },
        "cut": _cuts_in_all(finished),
        "offsets": _offsets_in_all(finished),
        "rejected": {
            reason: {"count": reasons[reason], "meaning": REASONS[reason]}
            for reason in sorted(reasons)
        },
        "rejections": [
            {"source": entry.source_id, **rejection._asdict()}
            for entry in finished.entries
            for rejection in entry.rejections
        ],
        "outcomes": [
            {
                "source": entry.source_id,
                "speaker": entry.speaker_id,
                "clips": len(entry.clip_seconds),
                "seconds": round(sum(entry.clip_seconds), 3),
                "work_s": entry.work_s,
                "cut": entry.cut._asdict(),
                "notes": list(entry.notes),
                "offsets": [offset._asdict() for offset in entry.offsets],
                "sha256": list(entry.digests),
            }
            for entry in finished.entries
        ],
    }


def is_cut(cut: Cut) -> bool:
    """Return True if at least one motion frame was cut off."""
    return max(cut[:4]) >= 1 / MOTION_RATE_HZ


def _cuts_in_all(finished: Finished) -> dict:
    """Return how many sources were cut to the part that motion and sound share, or stretched, and
    the seconds of each kind.
    """
    cuts = [entry.cut for entry in finished.entries if is_cut(entry.cut)]
    totals = {
        name: round(sum(getattr(cut, name) for cut in cuts), 3)
        for name in Cut._fields
        if name != "stretch"
    }
    stretched = sum(1 for entry in finished.entries if entry.cut.stretch != 1)
    return {"sources": len(cuts), **totals, "stretched_sources": stretched}


def _offsets_in_all(finished: Finished) -> dict:
    """Return how many takes had their sound moved, and the names of those whose offset is not
    sure.
    """
    offsets = [offset for entry in finished.entries for offset in entry.offsets]
    return {
        "takes": len(offsets),
        "corrected": sum(1 for offset in offsets if offset.corrected_s),
        "uncertain": [offset.take_id for offset in offsets if not offset.sure],
    }


def _failed(entry: Entry) -> bool:
    return any(rejection.reason == "failed" for rejection in entry.rejections)


def _rejections(finished: Finished) -> Iterator[Rejection]:
    return (rejection for entry in finished.entries for rejection in entry.rejections)
