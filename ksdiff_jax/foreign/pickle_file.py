"""Reads a pickle from disk, compressed or not, and converts its values to arrays.

`read_pickled_value` returns containers, numbers, text and stand-ins. `plain` converts a stand-in to
the value that it represents. `as_array` converts anything numeric to one array. Nested lists are
counted before NumPy converts them, because a list that contains another many times is small on disk
but may be large in memory.
"""

import bz2
import gzip
import io
import lzma
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.array_archive import npy_header
from ksdiff_jax.foreign.file_kind import FileKind, checked_kind
from ksdiff_jax.foreign.inert_pickle import unpickled
from ksdiff_jax.foreign.pickle_names import known_name
from ksdiff_jax.foreign.stand_ins import Held
from ksdiff_jax.foreign.torch_file import is_torch_archive, read_torch_file
from ksdiff_jax.foreign.torch_legacy import read_legacy
from ksdiff_jax.typing import Shaped

MAX_BYTES = 400_000_000
_MAX_NPY_HEADER = 100_000
_MAX_ITEMS, _MAX_DEPTH = 5_000_000, 6
_OPENERS = {FileKind.GZIP: gzip.open, FileKind.BZ2: bz2.open, FileKind.XZ: lzma.open}
# PyTorch's legacy format begins with its magic number as a pickle of protocol 2.
_TORCH_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def read_pickled_value(path: Path, *, what: str) -> Any:
    """Return the pickled content of a file, also of `numpy.save` or `torch.save`, as plain data and
    stand-ins.

    `what` names the kind of file in the messages of `InputError`.
    """
    kind = checked_kind(path, what=what)
    if path.stat().st_size > MAX_BYTES:
        raise InputError(
            f"{path}: {path.stat().st_size} bytes, more than the {MAX_BYTES} a {what} may have"
        )
    if kind is FileKind.ZIP and is_torch_archive(path):
        return read_torch_file(path, what=what)
    try:
        data = _unpacked(path, kind) if kind in _OPENERS else path.read_bytes()
        if data.startswith(_TORCH_LEGACY):
            return read_legacy(data, find=partial(known_name, what=what))
        start = _start_of_objects(data) if kind is FileKind.NPY else 0
        return unpickled(data, find=partial(known_name, what=what), start=start).value
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(
            f"{path}: cannot be read ({' '.join(str(error).split())}); need a {what}"
        ) from error


def plain(value: Any) -> Any:
    """Return the value that a stand-in represents, as an array or a list; return other values
    unchanged.
    """
    found = getattr(value, "value", None) if isinstance(value, Held) else None
    return found() if found else value


def text_keys(content: dict) -> dict[str, Any]:
    """Return the same dictionary with text as keys; Python 2 and some other writers use bytes."""
    return {
        key.decode("latin-1") if isinstance(key, bytes) else str(key)[:200]: value
        for key, value in content.items()
    }


def as_array(value: Any) -> Shaped[np.ndarray, "..."]:
    """Return an array of numbers or text from any value; raise `InputError` for other content or
    too much of it.
    """
    if isinstance(value, np.ndarray):
        return value
    value = plain(value)
    if isinstance(value, Held):
        raise InputError(f"holds {value.title}; need numbers")
    if isinstance(value, list | tuple):
        value = _nested(value, _Count(), 0)
    elif not isinstance(
        value, np.ndarray | np.generic | int | float | complex | str | bytes | None
    ):
        raise InputError(f"holds a {type(value).__name__}; need numbers")
    try:
        array = np.asarray(value)
        return array.astype(np.float32) if array.dtype.name == "bfloat16" else array
    except (ValueError, OverflowError) as error:
        raise InputError("holds lists of different lengths; need one array of numbers") from error


class _Count:
    """The accumulated size of a nested list."""

    items = 0
    size = 0


def _nested(value: Any, count: _Count, depth: int) -> Any:
    count.items += 1
    if count.items > _MAX_ITEMS or depth > _MAX_DEPTH:
        raise InputError(
            "holds lists in lists that are too many or too deep; need an array of numbers"
        )
    value = plain(value)
    if isinstance(value, list | tuple):
        return [_nested(item, count, depth + 1) for item in value]
    if isinstance(value, np.ndarray):
        count.size += value.nbytes
        if count.size > MAX_BYTES:
            raise InputError(f"holds more than {MAX_BYTES} bytes in one list")
        return value
    if isinstance(value, Held | dict | set):
        title = value.title if isinstance(value, Held) else type(value).__name__
        raise InputError(f"holds {title} in a list; need numbers")
    return value


def _start_of_objects(data: bytes) -> int:
    """Return the position of the pickle in a `.npy` of Python objects."""
    stream = io.BytesIO(data[:_MAX_NPY_HEADER])
    try:
        shape, dtype = npy_header(stream)
    except ValueError as error:
        raise InputError(f"not a readable .npy ({' '.join(str(error).split())[:200]})") from error
    if dtype.kind != "O":
        raise InputError(
            f"a bare array {dtype} {shape}, and its meaning is not stored; save an npz of named "
            "arrays"
        )
    return stream.tell()


def _unpacked(path: Path, kind: FileKind) -> bytes:
    with _OPENERS[kind](path, "rb") as stream:
        data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise InputError(f"unpacks to more than {MAX_BYTES / 1e6:.0f} MB")
    return data
