"""The folder of an ablation study: what it holds, and that it stays one study.

study.json           the configuration and what is measured; its schema marks the folder
runs/ROW-seed-S/     a training run (train/workdir.py)
scores/ROW-seed-S.json    figures of every clip; the run is finished when this exists
scores/beside.json   the same of the truth and of another clip's motion, which do not train
logs/ROW-seed-S.log  what the process of the run printed
table.md, table.csv, table.json, curves.png    the results of the runs that are finished

A folder of another configuration, or of other clips, is refused: its rows would not be comparable.
More seeds or rows of the same study may be added at any time.
"""

import contextlib
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from ksdiff_jax import locks
from ksdiff_jax.config import Config, flatten, to_dict
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import make_folder, write_json
from ksdiff_jax.models import config_from_dict
from ksdiff_jax.ownership import purpose_of

STUDY, BESIDE = "study.json", "beside"
SCHEMA, SCORES = "ksdiff-ablations/1", "ksdiff-ablation-scores/1"
# How long a start waits for the runs of a start that was killed; they save a checkpoint and end.
PATIENCE_S = 120.0


class Run(NamedTuple):
    """One training of the study."""

    row: str
    seed: int

    @property
    def label(self) -> str:
        """Return its name for a reader."""
        return f"{self.row}, seed {self.seed}"

    @property
    def name(self) -> str:
        """Return its name for files."""
        words = re.sub(r"[^a-z0-9]+", "-", self.row.lower().replace("w/o", "without")).strip("-")
        return f"{words}-seed-{self.seed}"


class Study(NamedTuple):
    """The study of a folder: its configuration, and the clips and samples that are scored."""

    folder: Path
    config: Config
    data: str  # folder of the clips that are scored, in the split `split`
    split: str
    clips: int | None  # the first ones; None: all of the split
    samples: int
    seed: int  # of the sampling

    def workdir(self, run: Run) -> Path:
        """Return the folder of a training run."""
        return self.folder / "runs" / run.name

    def scores(self, run: Run) -> Path:
        """Return the file of the figures of a run."""
        return self.folder / "scores" / f"{run.name}.json"

    def log(self, run: Run) -> Path:
        """Return the file of what the process of a run printed."""
        return self.folder / "logs" / f"{run.name}.log"

    @property
    def beside(self) -> Path:
        """Return the file of the figures of the truth and of another clip's motion."""
        return self.folder / "scores" / f"{BESIDE}.json"


def open_study(folder: Path) -> Study:
    """Return the study that a folder holds."""
    content = _content(folder / STUDY)
    measured = content["measured"]
    return Study(folder, config_from_dict(content["config"]), **measured)


def check_study(study: Study) -> None:
    """Raise `InputError` if the folder belongs to another study, or is of another kind."""
    folder = study.folder
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: a file is in the way of this folder; name another --out")
    if purpose_of(folder / STUDY) != "ablations":
        # Hidden are the lock, and what a study leaves that is killed before it has its mark.
        others = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        if others:
            raise InputError(
                f"{folder}: not empty and not a folder of `ksdiff-jax ablate` (it holds "
                f"{others[0]}); name another --out"
            )
        return
    existing = open_study(folder)
    old, new = _fields(existing), _fields(study)
    if names := [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]:
        changes = ", ".join(f"{name} {old.get(name)!r} -> {new.get(name)!r}" for name in names[:4])
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        raise InputError(
            f"{folder}: contains ablations of another config ({changes}{more}); name another --out"
        )


def write_study(study: Study) -> None:
    """Write the mark of the folder, and its subfolders."""
    content = {"schema": SCHEMA, "config": to_dict(study.config), "measured": _measured(study)}
    # First, because it marks the folder: a study that is killed here can be started again.
    write_json(study.folder / STUDY, content, strict=False)  # a field may be infinite
    for name in ("runs", "scores", "logs"):
        make_folder(study.folder / name)


def _measured(study: Study) -> dict:
    values = study._asdict()
    return {name: values[name] for name in ("data", "split", "clips", "samples", "seed")}


def _fields(study: Study) -> dict[str, object]:
    # Through JSON once, so that tuples compare equal to the lists that they are stored as.
    return flatten(json.loads(json.dumps(to_dict(study.config) | {"measured": _measured(study)})))


def digest_of(clips: Sequence) -> str:
    """Return the SHA-256 of clips: their ids, sound and mouths."""
    digest = hashlib.sha256()
    for clip in clips:
        digest.update(clip.clip_id.encode("utf-8", "backslashreplace"))
        digest.update(clip.audio.tobytes())
        digest.update(clip.jaw.tobytes())
    return digest.hexdigest()


def read_scores(path: Path, *, clips_sha256: str = "") -> dict | None:
    """Return a file of figures; None if there is none. Raise `InputError` if they are of other
    clips than `clips_sha256`.
    """
    if not path.exists():
        return None
    content = _content(path)
    if clips_sha256 and content["clips_sha256"] != clips_sha256:
        raise InputError(
            f"{path}: scored on other clips than there are now; move the folder of scores away to "
            "score the runs again"
        )
    return content


def finished_runs(study: Study) -> list[Run]:
    """Return all runs of the folder that are trained and scored, also by earlier calls."""
    paths = sorted(
        path for path in (study.folder / "scores").glob("*.json") if path != study.beside
    )
    found = [_content(path) for path in paths if not path.name.startswith(".")]
    return [Run(content["row"], content["seed"]) for content in found]


def trained_steps(workdir: Path) -> int:
    """Return the step of the exported weights of a run; 0 if there are none."""
    path = workdir / "pretrained" / "config.json"
    if not path.exists():
        return 0
    return int(_content(path).get("extra", {}).get("step", 0))


def entries_of(workdir: Path) -> list[dict]:
    """Return the lines of `metrics.jsonl` of a run; a line that is being written is left out."""
    path, entries = workdir / "metrics.jsonl", []
    with contextlib.suppress(OSError):
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                entries.append(json.loads(line))
    return entries


def _content(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"a {type(content).__name__}")
        return content
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); move it, or name another --out") from (
            error
        )


@contextlib.contextmanager
def alone(folder: Path, *, tell: Callable[[str], None]) -> Iterator[IO[bytes] | None]:
    """Keep other studies out of the folder during the block, and yield the locked file; raise
    `InputError` if another one stays in it.

    The processes of the runs inherit the file, so that the lock lasts until all of them have ended,
    also when this process was killed. A network disk without locks admits all.
    """
    with contextlib.ExitStack() as stack:
        lock = None
        with contextlib.suppress(OSError):
            lock = stack.enter_context((make_folder(folder) / ".lock").open("ab"))
            until, told = time.monotonic() + PATIENCE_S, False
            while not locks.take_at_once(lock):
                if time.monotonic() > until:
                    raise InputError(
                        f"{folder}: another `ksdiff-jax ablate` is using this folder; let it end, "
                        "or name another --out"
                    )
                if not told:
                    tell(f"{folder}: waiting for the runs of another start to end")
                told = True
                time.sleep(0.2)
        yield lock
