"""Writes results without overwriting the caller's files: one rule for every command and every
function that writes.

| content at the place of an output | action |
|---|---|
| nothing | it is written |
| an input of the same call, under any name: a link, another spelling or case | refused, always |
| a folder, a pipe, a device | refused, always |
| a file of this package for the same purpose, by its mark (`ownership`) | it is replaced |
| all else, also empty or write-protected files, broken links | refused, unless `overwrite` |

A link to a file or folder is followed: its target is replaced, and the link stays. A folder that is
written as a whole replaces an earlier one of its kind. Files in it that do not belong to this
package stay, also with `overwrite`, unless they have the name of one that is written.

The rule is applied before any work, by `check_output` and `check_output_folder`, and again when the
finished file is moved into place, by `writing` and `writing_folder`, because another program may
have created a file there in the meantime.
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

# Files that operating systems leave in folders that appear empty to the user.
_NOBODYS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", ".directory", "lost+found"})
_HINT = "name another output, or replace it with --overwrite (overwrite=True in Python)"
_NEVER = "an input is never overwritten; name another output"


def check_output(
    path: str | Path, purpose: str, *, overwrite: bool = False, inputs: Iterable[str | Path] = ()
) -> None:
    """Raise `InputError` if a file of this purpose may not be written to `path`.

    `inputs` are files and folders that the same work reads. Content of one of these folders is an
    input, unless it was written for this purpose before.
    """
    path, inputs = Path(path), list(inputs)
    if (mode := _mode(path)) is None:
        if path.is_symlink() and not overwrite:
            raise InputError(f"{path}: a link to {path.readlink()}, which does not exist; {_HINT}")
        return
    if (same := next((name for name in inputs if same_place(path, name)), None)) is not None:
        what = "" if str(same) == str(path) else f", which is the input {same}"
        raise InputError(f"{path}: would be overwritten{what}; {_NEVER}")
    if not stat.S_ISREG(mode):
        kind = "folder" if stat.S_ISDIR(mode) else "pipe or device"
        raise InputError(f"{path}: a {kind} is there; name a file that is new or can be replaced")
    found = purpose_of(path)
    if (
        found != purpose
        and (folder := next((name for name in inputs if _is_inside(path, name)), None)) is not None
    ):
        raise InputError(f"{path}: belongs to the input {folder}; {_NEVER}")
    if overwrite:
        return
    if found != purpose:
        owner_text = (
            f"a file that was written for another purpose ({found})"
            if found
            else _unmarked_file(path)
        )
        raise InputError(f"{path}: {owner_text} is there; {_HINT}")
    if reason := _protected(path, mode):
        raise InputError(f"{path}: {reason}; {_HINT}")


@contextlib.contextmanager
def writing(
    path: str | Path, purpose: str, *, overwrite: bool = False, inputs: Iterable[str | Path] = ()
) -> Iterator[Path]:
    """`files.replacing` under the rule: yields a temporary path, which replaces `path` at the
    end.
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
    """Raise `InputError` if a folder of this kind may not, or cannot, replace `path`."""
    path = Path(path)
    check_apart(path, inputs)
    mode = _mode(path)
    if mode is None:
        if path.is_symlink() and not overwrite:
            raise InputError(f"{path}: a link to {path.readlink()}, which does not exist; {_HINT}")
        return
    if not stat.S_ISDIR(mode):
        raise InputError(f"{path}: a file is in the way of this output folder; name another folder")
    mounted = path.resolve().is_mount()
    if mounted or same_place(path, ".") or _is_inside(".", path):
        what = (
            "the mount point of another disk" if mounted else "the current folder, or one above it"
        )
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
    """Raise `InputError` if one of `inputs` is the output folder `folder`, or is inside it."""
    for name in inputs:
        if same_place(folder, name):
            raise InputError(f"{folder}: would be overwritten, it is the input {name}; {_NEVER}")
        if _is_inside(name, folder):
            raise InputError(f"{folder}: the input {name} is inside this output folder; {_NEVER}")


@contextlib.contextmanager
def writing_folder(
    path: str | Path,
    kind: FolderKind,
    *,
    overwrite: bool = False,
    inputs: Iterable[str | Path] = (),
) -> Iterator[Path]:
    """`files.replacing_folder` under the rule; other files in a folder of ours stay where
    they are.
    """
    inputs = list(inputs)

    def kept(folder: Path) -> list[str]:
        check_output_folder(folder, kind, overwrite=overwrite, inputs=inputs)
        return kind.other_names(folder)

    check_output_folder(path, kind, overwrite=overwrite, inputs=inputs)
    with replacing_folder(_followed(path), kept=kept) as temporary:
        yield temporary


def stored_alike(folder: str | Path) -> Callable[[str], str]:
    """Return a function that maps names to one form if the file system of `folder`, which may not
    exist yet, treats them as equal.

    Some file systems treat `A` and `a` as equal, or `é` written as one character and as two; a
    trial file shows it.
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
    """Return the file mode of the target of a path; None if there is nothing."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be written ({getattr(error, 'strerror', None) or error})"
        ) from error


def _followed(path: str | Path) -> Path:
    """Return the target of a link; a broken link is replaced itself."""
    path = Path(path)
    return path.resolve() if path.is_symlink() and path.exists() else path


def same_place(one: str | Path, other: str | Path) -> bool:
    """Return whether two names refer to one file or folder, by its inode number."""
    try:
        return Path(one).samefile(other)
    except (OSError, ValueError, TypeError):
        # one of them does not exist, or is not a name of this system (gs://...)
        return False


def _is_inside(path: str | Path, folder: str | Path) -> bool:
    """Return whether an existing path is inside an existing folder."""
    try:
        return Path(folder).is_dir() and any(
            same_place(above, folder) for above in Path(path).resolve(strict=True).parents
        )
    except (OSError, ValueError, TypeError, RuntimeError):
        return False


def _unmarked_file(path: Path) -> str:
    return "an empty file" if path.stat().st_size == 0 else "a file without the mark of ksdiff-jax"


def _protected(path: Path, mode: int) -> str:
    """Return why a file of ours must not be replaced: it is write-protected. Empty if it is not."""
    if not mode & 0o222:
        return "a file that is write-protected is there"
    try:
        os.close(os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0)))
    except OSError as error:
        return f"a file that cannot be written is there ({error.strerror})"
    return ""
