"""The clips on which a run is validated: drawn once, and stored by name in the run's folder.

    <workdir>/validation_clips.json    [{"id": "val-0003", "language": "de", "seconds": 5.12}, ...]

The losses, the figures of `evaluate` and the sample videos (the first `train.samples_clips`) are
computed on these clips (data/chosen.py). A resumed run reads them from the file. It draws them
again if the file is missing, as in a run that started before the file existed, if
`train.validate_clips` has changed, or if the data set no longer has one of them. Of several sources
each clip has the name of its own, as "data_set".
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from ksdiff_jax.data.chosen import clips_named, spread_clips
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.files import write_json

FILE_NAME = "validation_clips.json"


def validation_clips(
    split: Sequence[Clip],
    count: int,
    *,
    workdir: Path | None,
    tell: Callable[[str], None],
    data_set: str = "",
) -> list[Clip]:
    """Return the `count` clips of a run in `workdir`: those of its file, or newly drawn ones. Of
    several sources, `split` is that of the source `data_set`.
    """
    ids = None if workdir is None else _read_ids(workdir / FILE_NAME, data_set)
    if ids is not None and len(ids) == min(count, len(split)):
        if (clips := clips_named(split, ids)) is not None:
            return clips
        tell(f"{workdir / FILE_NAME}: names clips that the data do not have; drawn anew")
    return spread_clips(split, count)


def write_validation_clips(workdir: Path, clips: Sequence[Clip]) -> None:
    """Write the names of the clips."""
    content = [
        {"id": clip.clip_id, "language": clip.language, "seconds": round(clip.duration_s, 3)}
        | ({"data_set": clip.data_set} if clip.data_set else {})
        for clip in clips
    ]
    write_json(workdir / FILE_NAME, content)


def _read_ids(path: Path, data_set: str) -> list[str] | None:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        ids = [entry["id"] for entry in entries if entry.get("data_set", "") == data_set]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return ids if all(isinstance(name, str) for name in ids) else None
