"""Files that appear under their final name only when they are complete."""

import contextlib
import fcntl
import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ksdiff_jax.errors import InputError


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/ksdiff-jax` or `~/.cache/ksdiff-jax`: what can be made again, for all runs of this user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ksdiff-jax"


def make_folder(path: str | Path) -> Path:
    """Create `path` and its parents; raises `InputError` if it cannot be made or written to."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{folder}: a file is in the way of this output folder; name another folder") from error
    except OSError as error:
        raise InputError(f"{folder}: cannot create this output folder ({error.strerror}); name another one") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: no permission to write into this output folder; name another one")
    return folder


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` (same suffix) and move it into place if the block succeeds.

    On any exception the temporary file is removed and whatever stood at `path` before is untouched.
    A full disk or a missing permission is raised as `InputError` with the path.
    """
    path = Path(path)
    make_folder(path.parent)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise InputError(f"{path}: no file can be made in this folder ({error.strerror}); name another one") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        free = shutil.disk_usage(path.parent).free
        raise InputError(f"{path}: cannot write ({error.strerror}; {free / 1e6:.0f} MB free on this disk)") from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """Like `replacing`, for a folder: the yielded folder takes the place of `path` if the block succeeds.

    Its files become as readable as the user's files are; some writers (safetensors) make theirs private.
    """
    path = Path(path)
    make_folder(path.parent)
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: a file is in the way of this output folder; name another folder")
    _put_back(path)
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise InputError(f"{path}: no folder can be made there ({error.strerror}); name another one") from error
    temporary.chmod(0o777 & ~_umask())
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                file.chmod(0o666 & ~_umask())
        if path.exists():
            _change_places(path, temporary)
        else:
            temporary.replace(path)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise InputError(f"{path}: cannot write ({error.strerror})") from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def write_json(path: str | Path, content: object) -> None:
    """Write `content` as JSON, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _change_places(path: Path, new: Path) -> None:
    """`new` under the name of the folder `path`; whatever interrupts, one of the two has that name in the end."""
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    try:
        path.replace(old / "folder")
        new.replace(path)
    except BaseException:
        if not path.exists() and (old / "folder").exists():
            (old / "folder").replace(path)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _put_back(path: Path) -> None:
    """The folder that a process had moved out of the way when it was killed."""
    for old in path.parent.glob(f".{path.name}.old.*"):
        if not path.exists() and (old / "folder").exists():
            (old / "folder").replace(path)
        shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def one_at_a_time(folder: str | Path) -> Iterator[None]:
    """Let one process after the other through, for what several would make at once in `folder` (a cache).

    A process that dies lets the next one in. Network disks without locks let all in.
    """
    path = make_folder(folder) / ".lock"
    with path.open("w") as lock:
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def moved_away(path: str | Path) -> list[Path]:
    """What stood at `path` and is out of the way: for the moment in which it is replaced, or since a kill in it."""
    path = Path(path)
    return sorted(path.parent.glob(f".{glob.escape(path.name)}.old.*/folder")) if path.name else []


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
