"""A data set: a folder of TFRecord shards per split and one `dataset.json` that describes them.

    folder/dataset.json
    folder/train-00000-of-00004.tfrecord   folder/train-00000-of-00004.index   ...
    folder/val-00000-of-00001.tfrecord     ...

`write_dataset` writes the whole folder under a temporary name and moves it into place when it is complete.
`ShardReader` gives random access to the clips of one split, checksums and clip invariants verified at each read.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ksdiff_jax.data.schema import ARRAYS, SCHEMA, SPACES, ArrayField, Clip, decode_clip, encode_clip
from ksdiff_jax.data.tally import MotionTally, SplitTally
from ksdiff_jax.data.tfrecord import read_index, read_record, write_tfrecord
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import replacing_folder
from ksdiff_jax.models.system import Statistics

DESCRIPTION = "dataset.json"


@dataclass(frozen=True)
class SplitInfo:
    """One split: its clips and hours, and its shards by file name with their clips and SHA-256."""

    clips: int
    hours: float
    shards: tuple[str, ...]
    shard_clips: tuple[int, ...]
    sha256: tuple[str, ...]
    speakers: int | None = None  # None: written by an earlier version that did not count
    language_hours: dict[str, float] = field(default_factory=dict)
    lengths: dict[int, int] = field(default_factory=dict)  # clips by lower edge of `LENGTH_BINS_S`, seconds


@dataclass(frozen=True)
class DatasetInfo:
    """What `dataset.json` says."""

    schema: str
    space: str  # of the coefficients: "flame" or "bfm"
    fps: float
    licence: str
    made_by: str
    splits: dict[str, SplitInfo]
    mean: tuple[float, ...]  # per motion dimension, over the training split
    std: tuple[float, ...]
    encoder_digest: str = ""  # of the encoder whose `speech_features` the clips hold; empty: they hold none
    keyframes_per_s: dict[str, float] | None = None  # of "expression" and "head", over the training split


def write_dataset(
    folder: str | Path,
    splits: Mapping[str, Iterable[Clip]],
    *,
    licence: str,
    made_by: str,
    clips_per_shard: int = 256,
    encoder_digest: str = "",
) -> DatasetInfo:
    """Write clips by split into `folder`, replacing what is there. Clips are taken one shard at a time.

    `encoder_digest` names the encoder of the clips' `speech_features`, if they have any. The split "train", or the
    first one where there is none, gives the statistics. All clips are of one frame rate and of one coefficient space.
    """
    motion, kinds = MotionTally(), set()
    reference = "train" if "train" in splits else next(iter(splits))
    with replacing_folder(folder) as temporary:
        infos = {}
        for split, clips in splits.items():
            seen = _of_one_kind(clips, kinds, folder=folder, motion=motion if split == reference else None)
            infos[split] = _write_split(temporary, split, seen, clips_per_shard=clips_per_shard)
        if not kinds:
            raise InputError(f"{folder}: not a single clip; a data set needs at least one")
        fps, space = kinds.pop()
        mean, std = motion.moments()
        info = DatasetInfo(
            schema=SCHEMA, space=space, fps=fps, licence=licence, made_by=made_by, splits=infos,
            mean=tuple(np.ravel(mean).tolist()), std=tuple(np.ravel(std).tolist()), encoder_digest=encoder_digest,
            keyframes_per_s=motion.keyframes_per_s(),
        )  # fmt: skip
        _write_description(temporary / DESCRIPTION, info)
    return info


def dataset_info(folder: str | Path) -> DatasetInfo:
    """The description of the data set in `folder`; `InputError` where it is missing or of another schema."""
    path = Path(folder) / DESCRIPTION
    if not path.is_file():
        raise InputError(f"{folder}: no data set here ({DESCRIPTION} is missing); make one with `ksdiff-jax corpus`")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        schema = raw["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a data set description; copy or make the data set again") from error
    if schema != SCHEMA:
        raise InputError(f"{path}: schema {schema!r}, this version reads {SCHEMA!r}; make the data set again")
    splits = {
        name: SplitInfo(
            clips=split["clips"],
            hours=split["hours"],
            shards=tuple(shard["file"] for shard in split["shards"]),
            shard_clips=tuple(shard["clips"] for shard in split["shards"]),
            sha256=tuple(shard["sha256"] for shard in split["shards"]),
            speakers=split.get("speakers"),
            language_hours=split.get("language_hours", {}),
            lengths={int(edge): clips for edge, clips in split.get("lengths_s", {}).items()},
        )
        for name, split in raw["splits"].items()
    }
    return DatasetInfo(
        schema=schema, space=raw["space"], fps=raw["fps"], licence=raw["licence"], made_by=raw["made_by"],
        splits=splits, mean=tuple(raw["statistics"]["mean"]), std=tuple(raw["statistics"]["std"]),
        encoder_digest=(raw.get("speech_features") or {}).get("encoder_digest", ""),
        keyframes_per_s=raw["statistics"].get("keyframes_per_s"),
    )  # fmt: skip


def statistics(folder: str | Path) -> Statistics:
    """Mean and standard deviation of the 59 motion dimensions over the training split, as float32 arrays."""
    info = dataset_info(folder)
    return Statistics(mean=np.array(info.mean, np.float32), std=np.array(info.std, np.float32))


class ShardReader(Sequence[Clip]):
    """The clips of one split by number. Picklable; holds no open file, so threads and processes may share it."""

    def __init__(self, folder: str | Path, split: str):
        self.folder, self.split = Path(folder), split
        info = dataset_info(folder)
        if split not in info.splits:
            raise InputError(f"{folder}: no split {split!r}; there are {', '.join(sorted(info.splits))}")
        chosen = info.splits[split]
        indices = [read_index(self.folder / name) for name in chosen.shards]
        for name, index, clips in zip(chosen.shards, indices, chosen.shard_clips, strict=True):
            if len(index) != clips:
                raise InputError(f"{self.folder / name}: {len(index)} clips, {DESCRIPTION} says {clips}; copy it again")
        self._shards = chosen.shards
        self._entries = [
            (shard, number, int(offset), int(length))
            for shard, index in enumerate(indices)
            for number, (offset, length) in enumerate(index)
        ]

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, position: int) -> Clip:
        data = self.record(position)
        try:
            return decode_clip(data)
        except InputError as error:
            shard, number, offset, _ = self._entries[position]
            path = self.folder / self._shards[shard]
            raise InputError(f"{path}: record {number} at byte {offset}: {error}") from error

    def record(self, position: int) -> bytes:
        """The bytes of a clip, both checksums verified."""
        shard, number, offset, length = self._entries[position]
        return read_record(self.folder / self._shards[shard], number=number, offset=offset, length=length)

    def __repr__(self) -> str:
        return f"ShardReader({str(self.folder)!r}, {self.split!r}, {len(self)} clips)"


def verify_shards(folder: str | Path) -> None:
    """Compare every shard with its SHA-256 in `dataset.json`; `InputError` names the first that differs."""
    for split in dataset_info(folder).splits.values():
        for name, digest in zip(split.shards, split.sha256, strict=True):
            if _sha256(Path(folder) / name) != digest:
                raise InputError(f"{Path(folder) / name}: its SHA-256 differs from {DESCRIPTION}; copy it again")


def _of_one_kind(
    clips: Iterable[Clip], kinds: set[tuple[float, str]], *, folder: str | Path, motion: MotionTally | None
) -> Iterable[Clip]:
    """The clips, as long as they agree in frame rate and coefficient space; `motion` counts them."""
    for clip in clips:
        kinds.add((float(clip.fps), clip.space))
        if len(kinds) > 1:
            found = " and ".join(f"{fps:g} frames per second in {space} space" for fps, space in sorted(kinds))
            raise InputError(f"{folder}: clip {clip.clip_id!r} makes it {found}; one data set has one of each")
        yield clip
        if motion is not None:
            motion.add(clip)


def _write_split(folder: Path, split: str, clips: Iterable[Clip], *, clips_per_shard: int) -> SplitInfo:
    """Shards are numbered as they fill; their names get the total once it is known."""
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


def _write_description(path: Path, info: DatasetInfo) -> None:
    coefficients = next(width for width, space in SPACES.items() if space == info.space)
    arrays = ARRAYS | {"expression": ArrayField("<f4", (coefficients,))}
    raw = {
        "schema": info.schema,
        "space": info.space,
        "fps": info.fps,
        "licence": info.licence,
        "made_by": info.made_by,
        "arrays": {name: {"dtype": a.dtype, "trailing_shape": a.trailing_shape} for name, a in arrays.items()},
        "speech_features": {"dtype": "bfloat16", "encoder_digest": info.encoder_digest}
        if info.encoder_digest
        else None,
        "splits": {
            name: {
                "clips": split.clips,
                "hours": split.hours,
                "speakers": split.speakers,
                "language_hours": split.language_hours,
                "lengths_s": split.lengths,
                "shards": [
                    {"file": file, "clips": clips, "sha256": digest}
                    for file, clips, digest in zip(split.shards, split.shard_clips, split.sha256, strict=True)
                ],
            }
            for name, split in info.splits.items()
        },
        "statistics": {"mean": info.mean, "std": info.std, "keyframes_per_s": info.keyframes_per_s},
    }
    if not all(map(math.isfinite, (*info.mean, *info.std))):
        raise InputError("the training split has no finite statistics; it needs at least one clip")
    path.write_text(json.dumps(raw, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
