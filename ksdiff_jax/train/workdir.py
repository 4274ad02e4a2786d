"""The folder of a run: its owner, its contents and how it was made.

versions.json    Python, packages, devices and git revision of the latest start; its schema marks
                 the folder as a run's
space.json       the motion space of its data (run_space.py)
config.json      the resolved configuration; a run with another one is refused
checkpoints/     one folder per step (checkpoint.py)
pretrained/      averaged weights for inference (models/pretrained.py)
metrics.jsonl    and tensorboard/ (report/metrics_log.py)
goodput.json     the use of time (report/goodput.py)
run.html         all of it on one page (report/run_page.py)
validation_clips.json    the clips that the run is validated on (validation_clips.py)

and, if needed: samples/, profile/, init_report.json, corrupt/ (checkpoints that were skipped),
hang-*.txt (watchdog.py), wandb_id. A run has the folder to itself while it lasts (.lock, alone.py).
Files and folders of these names in a folder that is not a run's belong to someone else: the folder
is refused, unless `overwrite` is given. Checkpoints are never overwritten by another run.
"""

import contextlib
import datetime
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jax

from ksdiff_jax.config import Config, flatten, to_dict
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import make_folder, write_json
from ksdiff_jax.models import config_from_dict
from ksdiff_jax.outputs import check_apart, same_place
from ksdiff_jax.ownership import purpose_of
from ksdiff_jax.parallel.distributed import from_main_process, is_main_process
from ksdiff_jax.runtime import installed_version
from ksdiff_jax.train.alone import exclusive_workdir

# Fields that change how long, how observed or where a run is, but not its result at a step. An
# exception is a cosine decay, which ends at train.steps: another end changes the learning rate from
# the resumed step on.
_MAY_DIFFER = frozenset(
    f"{part}.{name}"
    for part, names in {
        "train": (
            *(
                "steps",
                "log_every",
                "validate_every",
                "validate_clips",
                "samples_every",
                "samples_clips",
            ),
            *("checkpoint_every", "checkpoints_kept", "hang_s", "remat", "scan_layers"),
        ),
        "data": ("workers", "threads", "on_bad_record", "bad_record_share"),
        "mesh": ("data", "fsdp", "tensor"),
        "model": ("attention", "autoencoder_path"),  # model.autoencoder_digest identifies it
    }.items()
    for name in names
)

_FOLDERS = ("checkpoints", "pretrained", "tensorboard", "samples", "profile", "corrupt")
_FILES = (
    *(
        "config.json",
        "versions.json",
        "metrics.jsonl",
        "goodput.json",
        "run.html",
        "validation_clips.json",
        "init_report.json",
        "space.json",
        "wandb_id",
    ),
)
SCHEMA = "ksdiff-run/1"

_PACKAGES = ("ksdiff-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


def check_workdir(path: str | Path, config: Config, *, overwrite: bool = False) -> None:
    """Raise `InputError` if the folder at `path` belongs to another run or to someone else, or is
    an input of this run.
    """
    workdir = Path(path)
    begun = any(workdir.glob("checkpoints/*"))
    _check_inputs(workdir, config, begun=begun)
    if (
        is_main_process() and not overwrite
    ):  # for the others it may be what the first process has just written
        _check_owner(workdir)
    if begun and (workdir / "config.json").exists():
        _refuse_another_run(workdir, config, _read_json(workdir / "config.json"))
    elif begun:
        raise InputError(
            f"{workdir}: contains checkpoints but no config.json; name another --workdir"
        )


def _check_inputs(workdir: Path, config: Config, *, begun: bool) -> None:
    """Raise `InputError` if the run would write into the folder of its data, its encoder, its
    teacher or its first parameters.
    """
    start = "" if begun else config.train.init_from  # read at the beginning only
    data = (config.data.path, *(source.path for source in config.data.sources))
    of_model = (getattr(config.model, name, None) for name in ("encoder", "teacher"))
    encoders = [found.path for found in of_model if found is not None]
    encoders += [
        getattr(config.model, name, "") for name in ("autoencoder_path", "perceptual_path")
    ]
    for name in filter(None, (*data, *encoders, start)):
        if same_place(workdir, name):
            raise InputError(
                f"{workdir}: the run would write into {name}, which it reads; name another "
                "--workdir"
            )
        for folder in _FOLDERS:
            check_apart(workdir / folder, [name])


def _check_owner(workdir: Path) -> None:
    """Raise `InputError` if the folder has files with the names of a run's, and is not a run's."""
    if not workdir.is_dir() or _is_run(workdir):
        return
    names = [name for name in _FILES if (workdir / name).is_file()]
    names += [
        name for name in _FOLDERS if (workdir / name).is_dir() and any((workdir / name).iterdir())
    ]
    if names:
        raise InputError(
            f"{workdir}: contains {names[0]}, which no run of ksdiff-jax wrote; name another "
            "--workdir, or replace files of such names with --overwrite"
        )


def _is_run(workdir: Path) -> bool:
    if purpose_of(workdir / "versions.json") == "run":
        return True
    try:  # a run that started before the mark existed
        content = json.loads((workdir / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    parts = ("model", "loss", "data", "train", "mesh", "sample")
    return isinstance(content, dict) and all(isinstance(content.get(part), dict) for part in parts)


@contextlib.contextmanager
def open_workdir(
    path: str | Path, config: Config, *, tell: Callable[[str], None], overwrite: bool = False
) -> Iterator[Path]:
    """Return the folder of the run, created if needed, with `config.json` and `versions.json`
    written by the first process.

    It belongs to this run alone during the block. Raises `InputError` if it cannot be written, if
    it belongs to a run of another configuration, if another run is using it, or if it is not the
    same folder for all processes.
    """
    if "://" in str(path):
        raise InputError(
            f"{path}: a run needs a folder; mount the bucket, or name one on a file system that "
            "all share"
        )
    _check_name(Path(path).absolute())
    workdir = make_folder(path)
    _check_places(workdir)
    check_workdir(workdir, config, overwrite=overwrite)
    with exclusive_workdir(workdir, tell=tell):
        if is_main_process():
            now = datetime.datetime.now(datetime.UTC).isoformat()
            # First, because it marks the folder: a run that is killed here can be started again.
            write_json(
                workdir / "versions.json", {"schema": SCHEMA, "started_at": now, **versions()}
            )
            write_json(
                workdir / "config.json", to_dict(config), strict=False
            )  # a field may be infinite
        _check_shared(workdir / "versions.json")
        yield workdir


def _check_name(path: Path) -> None:
    """Raise `InputError` for a path at which Orbax writes unreadable checkpoints or none, because
    it treats the path as a pattern.

    Under `run[1]` it finds none of the files it has just written, reports success, and the
    checkpoint is empty.
    """
    wild = [character for character in "*?[" if character in str(path)]
    if wild or str(path) != os.fsencode(path).decode("utf-8", "replace"):
        fault = f"the character {wild[0]}" if wild else "bytes that are not UTF-8"
        raise InputError(
            f"{path}: the path has {fault}; Orbax cannot store checkpoints there, name another "
            "--workdir"
        )


def _check_places(workdir: Path) -> None:
    """Raise `InputError` if a folder of the run is a file there, or a file a folder."""
    for names, needed in ((_FOLDERS, Path.is_dir), (_FILES, Path.is_file)):
        for path in (workdir / name for name in names):
            if path.exists() and not needed(path):
                kind = "file" if needed is Path.is_dir else "folder"
                raise InputError(
                    f"{path}: a {kind}, where the run needs its own; move it, or name another "
                    "--workdir"
                )


def _check_shared(written: Path, *, patience_s: float = 60.0) -> None:
    """Raise `InputError` if this process does not find what process 0 has written; network disks
    may take a moment.
    """
    text = from_main_process(written.read_text(encoding="utf-8") if is_main_process() else "")
    until = time.monotonic() + patience_s
    while not written.exists() or written.read_text(encoding="utf-8") != text:
        if time.monotonic() > until:
            raise InputError(
                f"{written.parent}: process {jax.process_index()} does not find what process 0 "
                "wrote there; --workdir must be on a file system that all processes share"
            )
        time.sleep(1)


def differing_fields(old: dict, new: dict) -> list[str]:
    """Return dotted names of the fields that must be equal in all configurations of one run, but
    differ here.
    """
    flat_old, flat_new = flatten(old), flatten(new)
    names = sorted(flat_old.keys() | flat_new.keys())
    missing = object()
    return [
        name
        for name in names
        if name not in _MAY_DIFFER and flat_old.get(name, missing) != flat_new.get(name, missing)
    ]


def versions() -> dict:
    """Return the versions that this run uses."""
    return {
        "python": platform.python_version(),
        "packages": {name: installed_version(name) for name in _PACKAGES},
        "devices": [f"{device.platform}:{device.device_kind}" for device in jax.devices()],
        "git_revision": git_revision(),
    }


def git_revision() -> str | None:
    """Return the commit of the source tree of this package, with "+changes" if it differs; None
    outside git.
    """
    source = Path(__file__).parent
    try:
        commit = _git("rev-parse", "HEAD", folder=source)
        changed = _git("status", "--porcelain", "--untracked-files=no", folder=source)
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+changes" if changed else "")


def _git(*arguments: str, folder: Path) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()


def _refuse_another_run(workdir: Path, config: Config, existing: dict) -> None:
    # Through JSON once, so that tuples compare equal to the lists that they are stored as.
    wanted = json.loads(json.dumps(to_dict(config)))
    theirs = existing.get("system", config.system)
    if theirs != config.system:
        raise InputError(
            f"{workdir}: contains a run of the system {theirs!r}, this is a configuration of "
            f"{config.system!r}; name another --workdir"
        )
    # A field that did not exist when the run began has its default in that run.
    with contextlib.suppress(InputError):
        existing = json.loads(json.dumps(to_dict(config_from_dict(existing))))
    if names := differing_fields(existing, wanted):
        old, new = flatten(existing), flatten(wanted)
        changes = ", ".join(f"{name} {old.get(name)!r} -> {new.get(name)!r}" for name in names[:4])
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        raise InputError(
            f"{workdir}: contains a run with another config ({changes}{more}); name another "
            "--workdir"
        )


def _read_json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"a {type(content).__name__}")
        return content
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as the config of a run ({error}); name another --workdir"
        ) from error
