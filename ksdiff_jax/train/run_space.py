"""The motion space of a run: that of its data at the start, stored in `<workdir>/space.json` with
its mean and deviation.

A run can resume, and start from other weights (`train.init_from`), only in its own space, because
the same numbers in another space are another expression.
"""

import json
from pathlib import Path

from ksdiff_jax.config import Config
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import write_json
from ksdiff_jax.models.pretrained import find_pretrained, read_manifest, space_name
from ksdiff_jax.motion.space import MotionSpace

RUN_SPACE = "space.json"


def check_run_space(config: Config, workdir: str | Path, space: str) -> None:
    """Raise `InputError` if the run, or the weights that a new one starts from, have another space
    than its data.

    A run of an earlier version, which stored no space, continues in that of its data. A speech
    encoder belongs to no space.
    """
    kept = Path(workdir) / RUN_SPACE
    if any(Path(workdir).glob("checkpoints/*")):
        was = json.loads(kept.read_text(encoding="utf-8"))["space"] if kept.is_file() else space
        if was != space:
            raise InputError(
                f"{workdir}: the run is of the {was} space, its data now of the {space} space; "
                "name the data that it began with, or another --workdir"
            )
    elif config.train.init_from and not _takes_encoder_only(config):
        source = find_pretrained(config.train.init_from)
        name = space_name(read_manifest(source)) or config.data.space
        if name != space:
            raise InputError(
                f"train.init_from {config.train.init_from}: "
                + (
                    f"its weights are of the {name} space, the data of the {space} space; choose a "
                    "checkpoint or data of the other space"
                    if name
                    else "an earlier version wrote it, and nothing in it shows its motion space; "
                    f"if it is the data's space, state it with --data.space {space}"
                )
            )


def _takes_encoder_only(config: Config) -> bool:
    return all(pattern.startswith("encoder/") for pattern in config.train.init_patterns)


def keep_run_space(workdir: Path, space: MotionSpace) -> None:
    """Write `space.json`, on the first process only."""
    content = {"space": space.name, "mean": space.mean, "std": space.std}
    write_json(workdir / RUN_SPACE, content)


def kept_statistics(workdir: Path | None) -> tuple[list[float], list[float]] | None:
    """Return mean and standard deviation of the motion of the run in `workdir`; None if it has not
    begun, or if an earlier version began it.
    """
    if workdir is None or not any(Path(workdir).glob("checkpoints/*")):
        return None
    kept = Path(workdir) / RUN_SPACE
    content = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    return (content["mean"], content["std"]) if "mean" in content else None
