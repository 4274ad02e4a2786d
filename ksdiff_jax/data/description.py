"""The contents of `dataset.json`: schema, coefficient space, splits with their shards, statistics,
licence.

All of it is known when the last shard is written; the shards need not be read again. Fields that
earlier versions did not write are read as None or as empty.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

from etils import epath

from ksdiff_jax.data.schema import ARRAYS, SCHEMA, ArrayField
from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.earlier import space_of_maker
from ksdiff_jax.motion.space import BFM, SPACES, MotionSpace
from ksdiff_jax.plain_text import json_text

DESCRIPTION = "dataset.json"
PathLike = str | Path | epath.Path


@dataclass(frozen=True)
class SplitInfo:
    """One split: its clips and hours, and its shards by file name with their clips and SHA-256."""

    clips: int
    hours: float
    shards: tuple[str, ...]
    shard_clips: tuple[int, ...]
    sha256: tuple[str, ...]
    speakers: int | None = None  # None: written by an earlier version, which did not count them
    language_hours: dict[str, float] = field(default_factory=dict)
    # clips by lower edge of `LENGTH_BINS_S`, seconds
    lengths: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetInfo:
    """The contents of `dataset.json`."""

    schema: str
    # name of the motion space; "": written by an earlier version and not recorded
    space: str
    fps: float
    licence: str
    made_by: str
    splits: dict[str, SplitInfo]
    mean: tuple[float, ...]  # per motion dimension, over the training split
    std: tuple[float, ...]
    # of the encoder that computed the clips' `speech_features`; empty: no features
    encoder_digest: str = ""
    # of "expression" and "head", over the training split
    keyframes_per_s: dict[str, float] | None = None
    # SHA-256 of the videos and recordings that the clips outside the split "test" are made of
    source_digests: tuple[str, ...] = ()
    pictures: int = 0  # side in pixels of the clips' crops of the face; 0: no pictures


def dataset_info(folder: PathLike) -> DatasetInfo:
    """Read the description of the data set in `folder`; raise `InputError` if it is missing or has
    another schema.
    """
    path = epath.Path(folder) / DESCRIPTION
    if not path.exists():
        raise InputError(
            f"{folder}: no data set here ({DESCRIPTION} is missing); `ksdiff-jax prepare` "
            "makes one of videos or coefficients, `ksdiff-jax corpus` a synthetic one"
        )
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        schema = raw["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not a data set description; copy or make the data set again"
        ) from error
    if schema != SCHEMA:
        raise InputError(
            f"{path}: schema {schema!r}, this version reads {SCHEMA!r}; make the data set again"
        )
    try:
        return _parsed(raw)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: not a complete data set description; copy or make the data set again"
        ) from error


def _parsed(raw: dict) -> DatasetInfo:
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
        schema=raw["schema"],
        space=_space(raw),
        fps=raw["fps"],
        licence=raw["licence"],
        made_by=raw["made_by"],
        splits=splits,
        mean=tuple(raw["statistics"]["mean"]),
        std=tuple(raw["statistics"]["std"]),
        encoder_digest=(raw.get("speech_features") or {}).get("encoder_digest", ""),
        keyframes_per_s=raw["statistics"].get("keyframes_per_s"),
        source_digests=tuple(raw.get("source_digests", ())),
        pictures=int((raw.get("pictures") or {}).get("side", 0)),
    )


def check_pictures(info: DatasetInfo, side: int, *, what: str) -> None:
    """Raise `InputError` unless a data set has pictures of `side` pixels; 0: none are needed."""
    if not side or info.pictures == side:
        return
    found = f"its pictures are of {info.pictures} pixels" if info.pictures else "no pictures in it"
    raise InputError(
        f"{what}: {found}, {side} are needed; make it again with `--pictures {side}` "
        "(`ksdiff-jax prepare` for videos, `ksdiff-jax corpus` for rendered heads)"
    )


def _space(raw: dict) -> str:
    """Return the space; earlier versions wrote no `motion_parts`, and "flame" for all 50
    coefficients.
    """
    name = raw["space"]
    if name not in SPACES:
        raise InputError(f"unknown motion space {name!r}; known are {', '.join(SPACES)}")
    if "motion_parts" in raw or name == BFM.name:
        return name
    return space_of_maker(raw["made_by"])


def motion_space(info: DatasetInfo, name: str) -> MotionSpace:
    """Return the space of that name with mean and deviation over the training split."""
    return SPACES[name].with_statistics(info.mean, info.std)


def write_description(path: Path, info: DatasetInfo) -> None:
    """Write `dataset.json`."""
    parts = SPACES[info.space].parts
    arrays = ARRAYS | {"expression": ArrayField("<f4", (dict(parts)["expression"],))}
    raw = {
        "schema": info.schema,
        "space": info.space,
        "motion_parts": parts,  # the order of the statistics
        "fps": info.fps,
        "licence": info.licence,
        "made_by": info.made_by,
        "arrays": {
            name: {"dtype": a.dtype, "trailing_shape": a.trailing_shape}
            for name, a in arrays.items()
        },
        "speech_features": {"dtype": "bfloat16", "encoder_digest": info.encoder_digest}
        if info.encoder_digest
        else None,
        "pictures": {"side": info.pictures, "coding": "jpeg"} if info.pictures else None,
        "splits": {
            name: {
                "clips": split.clips,
                "hours": split.hours,
                "speakers": split.speakers,
                "language_hours": split.language_hours,
                "lengths_s": split.lengths,
                "shards": [
                    {"file": file, "clips": clips, "sha256": digest}
                    for file, clips, digest in zip(
                        split.shards, split.shard_clips, split.sha256, strict=True
                    )
                ],
            }
            for name, split in info.splits.items()
        },
        "statistics": {"mean": info.mean, "std": info.std, "keyframes_per_s": info.keyframes_per_s},
        "source_digests": info.source_digests,
    }
    if not all(map(math.isfinite, (*info.mean, *info.std))):
        raise InputError("the training split has no finite statistics; it needs at least one clip")
    path.write_text(json_text(raw, indent=1) + "\n", encoding="utf-8")
