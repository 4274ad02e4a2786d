"""A data set: a folder of TFRecord shards per split and one `dataset.json` that describes them.

    folder/dataset.json
    folder/train-00000-of-00004.tfrecord   folder/train-00000-of-00004.index   ...
    folder/val-00000-of-00001.tfrecord     ...

`write_dataset` writes the whole folder under a temporary name and moves it into place when it is
complete. `ShardReader` provides random access to the clips of one split and verifies checksums and
clip invariants at each read.
"""

import hashlib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from etils import epath

from ksdiff_jax.data.description import (
    DESCRIPTION,
    DatasetInfo,
    PathLike,
    SplitInfo,
    dataset_info,
    motion_space,
    write_description,
)
from ksdiff_jax.data.schema import SCHEMA, Clip, decode_clip, encode_clip
from ksdiff_jax.data.tally import MotionTally, SplitTally
from ksdiff_jax.data.tfds_files import write_tfds_files
from ksdiff_jax.data.tfrecord import DataWarning, find_records, read_record, write_tfrecord
from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.space import SPACES
from ksdiff_jax.outputs import writing_folder
from ksdiff_jax.ownership import DATA_SET

__all__ = [
    "DESCRIPTION",
    "DatasetInfo",
    "ShardReader",
    "SplitInfo",
    "dataset_info",
    "motion_space",
    "verify_shards",
    "write_dataset",
]

SHOWN_BAD_RECORDS = 5


def write_dataset(
    folder: str | Path,
    splits: Mapping[str, Iterable[Clip]],
    *,
    licence: str,
    made_by: str,
    clips_per_shard: int = 256,
    encoder_digest: str = "",
    source_digests: Sequence[str] = (),
    beside: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> DatasetInfo:
    """Write clips by split into `folder`, replacing an existing data set. Clips are taken one shard
    at a time.

    A folder with other content is written into only with `overwrite`; files with other names stay
    in it.

    `encoder_digest` names the encoder of the clips' `speech_features`, if they have any.
    `source_digests` are the SHA-256 of the files that the clips to train on were made of. The split
    "train", or the first one if there is none, determines the statistics. All clips have one frame
    rate and one coefficient space, and pictures of one size or none. `beside` are texts by file
    name that belong to the data set and are written with it.
    """
    motion, kinds, sides = MotionTally(), set(), set()
    reference = "train" if "train" in splits else next(iter(splits))
    with writing_folder(folder, DATA_SET, overwrite=overwrite) as temporary:
        infos = {}
        for split, clips in splits.items():
            seen = _of_one_kind(
                clips, kinds, folder=folder, motion=motion if split == reference else None
            )
            seen = _of_one_side(seen, sides, folder=folder)
            infos[split] = _write_split(temporary, split, seen, clips_per_shard=clips_per_shard)
        if not kinds:
            raise InputError(f"{folder}: no clips; a data set needs at least one")
        fps, space = kinds.pop()
        mean, std = motion.moments()
        info = DatasetInfo(
            schema=SCHEMA,
            space=space,
            fps=fps,
            licence=licence,
            made_by=made_by,
            splits=infos,
            mean=tuple(np.ravel(mean).tolist()),
            std=tuple(np.ravel(std).tolist()),
            encoder_digest=encoder_digest,
            keyframes_per_s=motion.keyframes_per_s(),
            source_digests=tuple(source_digests),
            pictures=sides.pop(),
        )
        write_description(temporary / DESCRIPTION, info)
        write_tfds_files(temporary, info)
        for name, text in (beside or {}).items():
            (temporary / name).write_text(text, encoding="utf-8")
    return info


class ShardReader(Sequence[Clip]):
    """The clips of one split by number. It is picklable and keeps no file open, so threads and
    processes may share it.

    With `on_bad_record="skip"` every record is read once on opening. A bad clip is replaced by the
    first good one after it (wrapping around at the end), so positions keep their meaning for any
    bad records, on every host and in every worker. `bad_records` lists them; more than a share of
    `bad_record_share` is an error.

    `space` is that of the clips if the description does not name it (earlier_space.py).
    """

    def __init__(
        self,
        folder: PathLike,
        split: str,
        *,
        on_bad_record: Literal["raise", "skip"] = "raise",
        bad_record_share: float = 0.01,
        space: str = "",
    ):
        self.folder, self.split = epath.Path(folder), split
        info = dataset_info(folder)
        if split not in info.splits:
            raise InputError(
                f"{folder}: no split {split!r}; known are {', '.join(sorted(info.splits))}"
            )
        chosen, self._space = info.splits[split], info.space or space
        self._shards = chosen.shards
        # joining the paths takes as long as reading
        self._paths = [str(self.folder / name) for name in chosen.shards]
        self._entries: list[tuple[int, int, int, int]] = []
        self._lost: dict[int, str] = {}  # positions of records that cannot be found, and why
        for shard, clips in enumerate(chosen.shard_clips):
            self._find(shard, clips, skip=on_bad_record == "skip")
        self.bad_records: tuple[str, ...] = ()
        self._stand_ins: dict[int, int] = {}
        if on_bad_record == "skip":
            self._replace_bad_records(bad_record_share)

    def _find(self, shard: int, clips: int, *, skip: bool) -> None:
        """Add a shard's records, as many as `dataset.json` states."""
        path = self.folder / self._shards[shard]
        index, damage = find_records(path)
        if damage is not None and not skip:
            raise InputError(damage)
        if len(index) > clips or (len(index) < clips and damage is None):
            raise InputError(
                f"{path}: {len(index)} clips, {DESCRIPTION} states {clips}; copy it again"
            )
        for number in range(clips):
            if number >= len(index):
                lost = (
                    damage
                    if number == len(index)
                    else f"{path}: record {number} follows a damaged one"
                )
                self._lost[len(self._entries)] = lost
                self._entries.append((shard, number, 0, 0))
            else:
                self._entries.append((shard, number, *map(int, index[number])))

    def _replace_bad_records(self, share: float) -> None:
        bad = {}
        for position in range(len(self)):
            try:
                self[position]
            except InputError as error:
                bad[position] = str(error)
        self.bad_records = tuple(bad.values())
        if not bad:
            return
        where = f"{self.folder}: {len(bad)} of {len(self)} records of split {self.split!r} are bad"
        if len(bad) == len(self) or len(bad) > share * len(self):
            raise InputError(
                f"{where}, more than the share of {share:g} that may be skipped; first: "
                f"{bad[min(bad)]}"
            )
        for position in bad:
            stand_in = position
            while stand_in in bad:
                stand_in = (stand_in + 1) % len(self)
            self._stand_ins[position] = stand_in
        warnings.warn(
            f"{where} and skipped: {'; '.join(self.bad_records[:SHOWN_BAD_RECORDS])}",
            DataWarning,
            3,
        )

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, position: int) -> Clip:
        data = self.record(position)
        try:
            return decode_clip(data, space=self._space)
        except InputError as error:
            shard, number, offset, _ = self._entries[self._stand_ins.get(position, position)]
            path = self.folder / self._shards[shard]
            raise InputError(f"{path}: record {number} at byte {offset}: {error}") from error

    def record(self, position: int) -> bytes:
        """Return the bytes of a clip, with both checksums verified."""
        position = self._stand_ins.get(position, position)
        if position in self._lost:
            raise InputError(self._lost[position])
        shard, number, offset, length = self._entries[position]
        return read_record(self._paths[shard], number=number, offset=offset, length=length)

    def __repr__(self) -> str:
        return f"ShardReader({str(self.folder)!r}, {self.split!r}, {len(self)} clips)"


def verify_shards(folder: PathLike) -> None:
    """Compare every shard with its SHA-256 in `dataset.json`; raise `InputError` with the first
    that differs.
    """
    for split in dataset_info(folder).splits.values():
        for name, digest in zip(split.shards, split.sha256, strict=True):
            if _sha256(epath.Path(folder) / name) != digest:
                raise InputError(
                    f"{epath.Path(folder) / name}: its SHA-256 differs from {DESCRIPTION}; copy "
                    "it again"
                )


def _of_one_kind(
    clips: Iterable[Clip],
    kinds: set[tuple[float, str]],
    *,
    folder: str | Path,
    motion: MotionTally | None,
) -> Iterable[Clip]:
    """Yield the clips if they agree in frame rate and coefficient space; `motion` counts them."""
    for clip in clips:
        if not clip.space:
            raise InputError(
                f"{folder}: clip {clip.clip_id!r} does not name the space of its coefficients; "
                f"need {', '.join(SPACES)}"
            )
        kinds.add((float(clip.fps), clip.space))
        if len(kinds) > 1:
            found = " and ".join(
                f"{fps:g} frames per second in {space} space" for fps, space in sorted(kinds)
            )
            raise InputError(
                f"{folder}: clip {clip.clip_id!r} makes it {found}; a data set has one of each"
            )
        yield clip
        if motion is not None:
            motion.add(clip)


def _of_one_side(clips: Iterable[Clip], sides: set[int], *, folder: str | Path) -> Iterable[Clip]:
    """Yield the clips if they agree in the size of their pictures, 0 for a clip without."""
    for clip in clips:
        sides.add(0 if clip.pictures is None else clip.pictures.side)
        if len(sides) > 1:
            found = " and ".join(f"{side} pixels" if side else "none" for side in sorted(sides))
            raise InputError(
                f"{folder}: clip {clip.clip_id!r} makes the pictures {found}; a data set has "
                "pictures of one size, or none"
            )
        yield clip


def _write_split(
    folder: Path, split: str, clips: Iterable[Clip], *, clips_per_shard: int
) -> SplitInfo:
    """Write the shards, numbered as they fill; their names get the total once it is known."""
    counts, tally = [], SplitTally()
    iterator = iter(clips)

    def records():
        for _, clip in zip(range(clips_per_shard), iterator, strict=False):
            tally.add(clip)
            yield encode_clip(clip)

    while not counts or counts[-1] == clips_per_shard:
        counts.append(write_tfrecord(folder / f"{split}-{len(counts):05d}.tfrecord", records()))
    if counts[-1] == 0 and len(counts) > 1:
        counts.pop()
        for suffix in ("tfrecord", "index"):
            (folder / f"{split}-{len(counts):05d}.{suffix}").unlink()
    names = [f"{split}-{i:05d}-of-{len(counts):05d}.tfrecord" for i in range(len(counts))]
    for i, name in enumerate(names):
        old = folder / f"{split}-{i:05d}.tfrecord"
        old.with_suffix(".index").rename((folder / name).with_suffix(".index"))
        old.rename(folder / name)
    return SplitInfo(
        clips=tally.clips,
        hours=tally.seconds / 3600,
        shards=tuple(names),
        shard_clips=tuple(counts),
        sha256=tuple(_sha256(folder / name) for name in names),
        speakers=len(tally.speakers),
        language_hours={name: seconds / 3600 for name, seconds in sorted(tally.language_s.items())},
        lengths=dict(sorted(tally.lengths.items())),
    )


def _sha256(path: Path | epath.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
