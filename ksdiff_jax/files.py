"""Files that appear under their final name only when they are complete.

Windows refuses to replace a file that another program has open, or to move a folder with such a
file. The work then ends with an `InputError`, and the old content stays. (Windows is untested.)
"""

import contextlib
import glob
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ksdiff_jax import locks
from ksdiff_jax.errors import InputError
from ksdiff_jax.plain_text import fitting, json_text

# A file name has at most 255 bytes on Linux and macOS; `tempfile` adds 8 characters.
_LONGEST_PREFIX = 200
SHIPPED = Path(__file__).parent / "assets" / "checkpoints"  # the checkpoints in the package


def cache_folder() -> Path:
    """Return the user's folder for caches; the first of these that is writable is created.

    `$XDG_CACHE_HOME/ksdiff-jax`, `~/.cache/ksdiff-jax`, and `ksdiff-jax-<user number>` in the
    folder of temporary files, for containers whose user has no home (`ksdiff-jax` on Windows, where
    users have no numbers). A relative path in the environment is ignored, as the XDG specification
    requires. Raises `InputError` if no folder of this machine is writable.
    """
    stated, home = Path(os.environ.get("XDG_CACHE_HOME", "")), home_folder()
    if stated.is_absolute():
        if _is_own(folder := stated / "ksdiff-jax"):
            return folder
    elif home is not None and _is_own(folder := home / ".cache" / "ksdiff-jax"):
        return folder
    try:
        temporary = Path(tempfile.gettempdir())
    except OSError as error:
        temporary = Path("/dev/shm")  # the only writable one in a container run with --read-only
        if not os.access(temporary, os.W_OK):
            raise InputError(
                f"no folder can be written for caches ({error.strerror}); set TMPDIR to one"
            ) from error
    folder = temporary / (f"ksdiff-jax-{os.getuid()}" if hasattr(os, "getuid") else "ksdiff-jax")
    # Another user may have created this folder to make us load their files.
    if not _is_own(folder, private=True):
        raise InputError(
            f"{folder}: cannot be used for caches; set XDG_CACHE_HOME to a folder that can be "
            "written"
        )
    return folder


def home_folder() -> Path | None:
    """Return the user's home; None if neither HOME nor the user database names an existing
    folder.
    """
    home = Path(os.environ.get("HOME") or _registered_home())
    return home if home.is_absolute() and home.is_dir() else None


def _registered_home() -> str:
    """Return the system's entry, empty if there is none: the user database, or Windows's
    USERPROFILE.
    """
    try:
        import pwd
    except ImportError:
        return os.path.expanduser("~")  # noqa: PTH111  Path's own raises where there is none
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:  # a container run with a numeric user
        return ""


def set_home() -> None:
    """Set HOME to a folder of temporary files if the user has no home, because many libraries fail
    without one.
    """
    home = home_folder()
    if home is None:
        # nothing is writable: code that needs a home will report it
        with contextlib.suppress(InputError):
            os.environ["USERPROFILE" if os.name == "nt" else "HOME"] = str(cache_folder())
    elif os.environ.get("HOME") == "":  # Python treats it as "/"
        os.environ["HOME"] = str(home)


def _is_own(folder: Path, *, private: bool = False) -> bool:
    """Return whether `folder` exists or could be created, and is writable; `private`: by nobody
    else, and not a link.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return False
    if private and not (stat.S_ISDIR(status.st_mode) and belongs_to_user(status)):
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def belongs_to_user(status: os.stat_result) -> bool:
    """Return whether a file or folder belongs to this user and nobody else may write into it.

    Windows has neither user numbers nor permissions in this form; its folder of temporary files
    belongs to the user.
    """
    return not hasattr(os, "getuid") or (
        status.st_uid == os.getuid() and not status.st_mode & 0o022
    )


def make_folder(path: str | Path) -> Path:
    """Create `path` and its parents; raise `InputError` if it cannot be created or written to."""
    if not str(path):  # an empty shell variable, for which "." would be unexpected
        raise InputError("the output folder has an empty name; name a folder, or . for this one")
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(
            f"{folder}: a file is in the way of this output folder; name another folder"
        ) from error
    except OSError as error:
        raise InputError(
            f"{folder}: cannot create this output folder ({error.strerror}); name another one"
        ) from error
    if not os.access(folder, os.W_OK):
        raise InputError(
            f"{folder}: no permission to write into this output folder; name another one"
        )
    return folder


@contextlib.contextmanager
def replacing(path: str | Path, *, check: Callable[[], None] | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path` (same suffix) and move it into place if the block
    succeeds.

    On any exception the temporary file is removed and the old file at `path` is untouched. A full
    disk or a missing permission is raised as `InputError` with the path. `check` raises if the file
    at `path` must stay. With `check`, a file that appears at the last moment is not replaced
    without a new check. Outputs for a caller are written through `outputs.writing`.
    """
    path = Path(path)
    make_folder(path.parent)
    try:
        handle, name = tempfile.mkstemp(
            prefix=_prefix(path.stem), suffix=path.suffix, dir=path.parent
        )
    except OSError as error:
        raise InputError(
            f"{path}: no file can be made in this folder ({error.strerror}); name another one"
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # A rerun keeps the permissions that the user has set.
        temporary.chmod(stat.S_IMODE(path.stat().st_mode) if path.is_file() else 0o666 & ~_umask())
        _put(temporary, path, check)
    except OSError as error:
        _remove(temporary)
        free = shutil.disk_usage(path.parent).free
        raise InputError(
            f"{path}: cannot write ({error.strerror}; {free / 1e6:.0f} MB free on this disk)"
        ) from error
    except BaseException:
        _remove(temporary)
        raise


def _remove(temporary: Path) -> None:
    # Windows keeps a file that is still open; the earlier error matters
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)


def _put(temporary: Path, path: Path, check: Callable[[], None] | None) -> None:
    if check is not None:
        with contextlib.suppress(OSError):  # it exists, or this file system has no links
            os.link(temporary, path)  # unlike a move, this never replaces a file
            temporary.unlink()
            return
        check()
    temporary.replace(path)


@contextlib.contextmanager
def replacing_folder(
    path: str | Path, *, kept: Callable[[Path], Iterable[str]] = lambda folder: ()
) -> Iterator[Path]:
    """Like `replacing`, for a folder: the yielded folder replaces `path` if the block succeeds.

    Its files get the user's default permissions; some writers (safetensors) make theirs private.
    `kept` returns the names in the old folder that stay if the new one does not have them, or
    raises if the folder must not be replaced. Outputs for a caller are written through
    `outputs.writing_folder`.
    """
    path = Path(path)
    make_folder(path.parent)
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: a file is in the way of this output folder; name another folder")
    _restore_folder(path)
    try:
        temporary = Path(tempfile.mkdtemp(prefix=_prefix(path.name), dir=path.parent))
    except OSError as error:
        raise InputError(
            f"{path}: no folder can be made there ({error.strerror}); name another one"
        ) from error
    temporary.chmod(0o777 & ~_umask())
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                file.chmod(0o666 & ~_umask())
        if path.exists():
            _carry_over(kept(path), path, temporary)
            _swap_folders(path, temporary)
        else:
            temporary.replace(path)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise InputError(f"{path}: cannot write ({error.strerror})") from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def write_json(
    path: str | Path,
    content: object,
    *,
    strict: bool = True,
    check: Callable[[], None] | None = None,
) -> None:
    """Write `content` as JSON, completely or not at all; `json_text` encodes names of any bytes and
    NaN.
    """
    with replacing(path, check=check) as temporary:
        temporary.write_text(json_text(content, indent=1, strict=strict) + "\n", encoding="utf-8")


def _carry_over(names: Iterable[str], old: Path, new: Path) -> None:
    """Add files and folders of `old` to `new` by links, so that `old` stays complete after any
    interruption.
    """
    for name in names:
        if os.path.lexists(new / name):
            continue
        if (old / name).is_dir() and not (old / name).is_symlink():
            shutil.copytree(old / name, new / name, symlinks=True, copy_function=_link_or_copy)
        else:
            _link_or_copy(old / name, new / name)


def _link_or_copy(old: str | Path, new: str | Path) -> None:
    try:
        os.link(old, new, follow_symlinks=False)
    except (OSError, NotImplementedError):
        # a file system without links, or a system that follows symbolic links
        shutil.copy2(old, new, follow_symlinks=False)


def _swap_folders(path: Path, new: Path) -> None:
    """Move `new` to the name of the folder `path`; after any interruption, one of the two has that
    name.
    """
    old = Path(tempfile.mkdtemp(prefix=f"{_prefix(path.name)}old.", dir=path.parent))
    try:
        path.replace(old / "folder")
        new.replace(path)
    except BaseException:
        if not path.exists() and (old / "folder").exists():
            (old / "folder").replace(path)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _restore_folder(path: Path) -> None:
    """Restore a folder that a killed process had moved away."""
    prefix = f"{_prefix(path.name)}old."
    for old in [entry for entry in path.parent.iterdir() if entry.name.startswith(prefix)]:
        if not path.exists() and (old / "folder").exists():
            (old / "folder").replace(path)
        shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def one_at_a_time(folder: str | Path, *, patience_s: float | None = None) -> Iterator[None]:
    """Admit one process at a time to work that several would otherwise do at once in `folder` (a
    cache), or any process that has waited for `patience_s` seconds.

    If a process dies, the next one is admitted. Network disks without locks admit all, and so does
    a lock of another user.
    """
    path = make_folder(folder) / ".lock"
    with contextlib.ExitStack() as opened:
        with contextlib.suppress(OSError):
            file = opened.enter_context(path.open("ab"))  # "w" would write to a locked file
            if patience_s is None:
                locks.take(file)
            else:
                locks.take_within(file, patience_s)
        yield


def _prefix(name: str) -> str:
    """Return the prefix of the temporary files of `name`: hidden, and short enough."""
    return f".{fitting(name, max_bytes=_LONGEST_PREFIX)}."


def moved_away(path: str | Path) -> list[Path]:
    """Return the old content of `path` that was moved away: during a replacement, or left by a
    process killed during one.
    """
    path = Path(path)
    return (
        sorted(path.parent.glob(f"{glob.escape(_prefix(path.name))}old.*/folder"))
        if path.name
        else []
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
