"""Where results go: nothing of the caller's is overwritten. One rule for every command and every
function that writes.

| at the place of an output lies | then |
|---|---|
| nothing | it is written |
| an input of the same call, under any name: a link, another spelling or case | refused, always |
| a folder, a pipe, a device | refused, always |
| what this package wrote for the same purpose, by its mark (`ownership`) | it is replaced |
| all else, also empty or write-protected files, links to nowhere | refused, unless `overwrite` |

A link to a file or folder is followed: what it leads to is replaced, and the link stays. A folder
that is written as a whole takes the place of an earlier one of its kind; files in it that are not
of this package stay in it, also with `overwrite`, unless they bear the name of one that is written.

The rule is applied before any work, by `check_output` and `check_output_folder`, and again when the
finished file takes its place, by `writing` and `writing_folder`: another program may have put
something there meanwhile.
"""

import contextlib
import os
import stat
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ksdiff_jax.errors import InputError
from ksdiff_jax.files import replacing, replacing_folder, write_json
from ksdiff_jax.ownership import FolderKind, purpose_of

# What systems leave in folders that a person takes for empty ones.
_NOBODYS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", ".directory", "lost+found"})
_HINT = "name another output, or replace it with --overwrite (overwrite=True in Python)"
_NEVER = "an input is never overwritten; name another output"


def check_output(
    path: str | Path, purpose: str, *, overwrite: bool = False, inputs: Iterable[str | Path] = ()
) -> None:
    """Raises `InputError` if a file of this purpose may not be written to `path`.

    `inputs` are files and folders that the same work reads. What lies in one of these folders is an
    input, unless it was written for this purpose before.
    """
    path, inputs = Path(path), list(inputs)
    if (mode := _mode(path)) is None:
        if path.is_symlink() and not overwrite:
            raise InputError(f"{path}: a link to {path.readlink()}, which is not there; {_HINT}")
        return
    if (same := next((name for name in inputs if same_place(path, name)), None)) is not None:
        what = "" if str(same) == str(path) else f", which is the input {same}"
        raise InputError(f"{path}: would be overwritten{what}; {_NEVER}")
    if not stat.S_ISREG(mode):
        kind = "folder" if stat.S_ISDIR(mode) else "pipe or device"
        raise InputError(f"{path}: a {kind} lies there; name a file that is new or can be replaced")
    found = purpose_of(path)
    if (
        found != purpose
        and (folder := next((name for name in inputs if _lies_in(path, name)), None)) is not None
    ):
        raise InputError(f"{path}: belongs to the input {folder}; {_NEVER}")
    if overwrite:
        return
    if found != purpose:
        whose = (
            f"a file that was written for another purpose ({found})" if found else _strange(path)
        )
        raise InputError(f"{path}: {whose} lies there; {_HINT}")
    if reason := _protected(path, mode):
        raise InputError(f"{path}: {reason}; {_HINT}")


@contextlib.contextmanager
def writing(
    path: str | Path, purpose: str, *, overwrite: bool = False, inputs: Iterable[str | Path] = ()
) -> Iterator[Path]:
    """`files.replacing` under the rule: yields a temporary path, which takes the place of `path` in
    the end.
    """
    inputs = list(inputs)

    def check() -> None:
        check_output(path, purpose, overwrite=overwrite, inputs=inputs)

    check()
    with replacing(_followed(path), check=check) as temporary:
        yield temporary


def write_document(
    path: str | Path, content: dict, *, overwrite: bool = False, inputs: Iterable[str | Path] = ()
) -> None:
    """Write `content` as JSON under the rule; its `schema` is the mark."""
    purpose = content["schema"].removeprefix("ksdiff-").partition("/")[0]

    def check() -> None:
        check_output(path, purpose, overwrite=overwrite, inputs=inputs)

    inputs = list(inputs)
    check()
    write_json(_followed(path), content, check=check)


def check_output_folder(
    path: str | Path,
    kind: FolderKind,
    *,
    overwrite: bool = False,
    inputs: Iterable[str | Path] = (),
) -> None:
    """Raises `InputError` if a folder of this kind may not, or could not, take the place of
    `path`.
    """
    path = Path(path)
    check_apart(path, inputs)
    mode = _mode(path)
    if mode is None:
        if path.is_symlink() and not overwrite:
            raise InputError(f"{path}: a link to {path.readlink()}, which is not there; {_HINT}")
        return
    if not stat.S_ISDIR(mode):
        raise InputError(f"{path}: a file is in the way of this output folder; name another folder")
    mounted = path.resolve().is_mount()
    if mounted or same_place(path, ".") or _lies_in(".", path):
        what = "the place of another disk" if mounted else "the current folder, or one above it"
        raise InputError(
            f"{path}: {what}, which cannot be replaced as a whole; name a folder in it"
        )
    try:
        names = {entry.name for entry in path.iterdir()} - _NOBODYS
    except OSError as error:
        raise InputError(
            f"{path}: cannot look into this folder ({error.strerror}); name another one"
        ) from error
    if names and not overwrite and not kind.owns(path):
        raise InputError(
            f"{path}: not empty and not {kind.name} of ours (it holds {min(names)}); {_HINT}"
        )


def check_apart(folder: str | Path, inputs: Iterable[str | Path]) -> None:
    """Raises `InputError` if one of `inputs` is the output folder `folder`, or lies in it."""
    for name in inputs:
        if same_place(folder, name):
            raise InputError(f"{folder}: would be overwritten, it is the input {name}; {_NEVER}")
        if _lies_in(name, folder):
            raise InputError(f"{folder}: the input {name} lies in this output folder; {_NEVER}")


@contextlib.contextmanager
def writing_folder(
    path: str | Path,
    kind: FolderKind,
    *,
    overwrite: bool = False,
    inputs: Iterable[str | Path] = (),
) -> Iterator[Path]:
    """`files.replacing_folder` under the rule; files of others in a folder of ours stay where they
    are.
    """
    inputs = list(inputs)

    def kept(folder: Path) -> list[str]:
        check_output_folder(folder, kind, overwrite=overwrite, inputs=inputs)
        return kind.strangers(folder)

    check_output_folder(path, kind, overwrite=overwrite, inputs=inputs)
    with replacing_folder(_followed(path), kept=kept) as temporary:
        yield temporary


def stored_alike(folder: str | Path) -> Callable[[str], str]:
    """A function that makes names equal which are one name to the file system of `folder`, which
    may not exist yet.

    Some take `A` and `a` for one, some `é` written as one character and as two: a trial file shows
    it.
    """
    place = Path(folder)
    while not place.is_dir() and place != place.parent:
        place = place.parent
    try:
        with tempfile.NamedTemporaryFile(prefix=".ksdiff-\u00e9a.", dir=place) as file:
            name = Path(file.name).name
            case = (place / name.replace("ksdiff", "KSDIFF")).exists()
            form = (place / unicodedata.normalize("NFD", name)).exists()
    except OSError:
        case = form = False

    def alike(name: str) -> str:
        name = unicodedata.normalize("NFC", name) if form else name
        return name.casefold() if case else name

    return alike


def _mode(path: Path) -> int | None:
    """What kind of thing a path leads to; None where there is nothing."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be written ({getattr(error, 'strerror', None) or error})"
        ) from error


def _followed(path: str | Path) -> Path:
    """Where a link leads; a link that leads nowhere is replaced itself."""
    path = Path(path)
    return path.resolve() if path.is_symlink() and path.exists() else path


def same_place(one: str | Path, other: str | Path) -> bool:
    """Whether two names lead to one file or folder, by its number on the disk."""
    try:
        return Path(one).samefile(other)
    except (OSError, ValueError, TypeError):
        # one of them is not there, or no name of this system (gs://...)
        return False


def _lies_in(path: str | Path, folder: str | Path) -> bool:
    """Whether something that exists lies below a folder that does."""
    try:
        return Path(folder).is_dir() and any(
            same_place(above, folder) for above in Path(path).resolve(strict=True).parents
        )
    except (OSError, ValueError, TypeError, RuntimeError):
        return False


def _strange(path: Path) -> str:
    return "an empty file" if path.stat().st_size == 0 else "a file without the mark of ksdiff-jax"


def _protected(path: Path, mode: int) -> str:
    """Why a file of ours is not to be replaced: somebody has protected it. Empty if nobody has."""
    if not mode & 0o222:
        return "a file that is write-protected lies there"
    try:
        os.close(os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0)))
    except OSError as error:
        return f"a file that cannot be written lies there ({error.strerror})"
    return ""
