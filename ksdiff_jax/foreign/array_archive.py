"""Reads the arrays of an `.npz` by name; none contains objects, and none is larger than the archive
states.

The directory of an archive and the header of an array are untrusted: an entry may unpack to
gigabytes, and a header may state a shape without the data. Both are compared with the limit and
with each other before anything is allocated.
"""

import io
import math
import tokenize
import warnings
import zipfile
from collections import Counter
from collections.abc import Container
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.file_kind import FileKind, checked_kind
from ksdiff_jax.typing import Shaped

MAX_BYTES = 400_000_000
_MAX_ENTRIES = 10_000


def read_npz(
    path: Path, *, what: str, wanted: Container[str] | None = None, limit: int = MAX_BYTES
) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Return all arrays by name, those not in `wanted` empty; raise `InputError` in one line with
    the file's name.

    `what` names the kind of file in messages; the arrays that are read may have `limit` bytes in
    total.
    """
    if checked_kind(path, what=what) is not FileKind.ZIP:
        raise InputError(
            f"{path}: not a {what}: its content is not an .npz, a zip archive of arrays"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, wanted, limit=limit, what=what)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:
        # readers raise many types of exceptions for damaged archives
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: not a readable {what}, an .npz ({type(error).__name__}: {reason})"
        ) from error


def _read(
    archive: zipfile.ZipFile, wanted: Container[str] | None, *, limit: int, what: str
) -> dict[str, Shaped[np.ndarray, "..."]]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    names = [entry.filename.removesuffix(".npy") for entry in entries]
    if len(entries) > _MAX_ENTRIES:
        raise InputError(f"an archive of {len(entries)} entries; a {what} has a few arrays")
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise InputError(f"holds {twice[0]!r} twice; it is not known which one to use")
    chosen = [
        entry
        for entry, name in zip(entries, names, strict=True)
        if wanted is None or name in wanted
    ]
    if any(entry.flag_bits & 1 for entry in chosen):
        raise InputError("encrypted with a password; store it without one")
    size = sum(entry.file_size for entry in chosen)
    if size > limit:
        raise InputError(
            f"unpacks to {size / 1e6:.0f} MB, more than the {limit / 1e6:.0f} MB a {what} may have"
        )
    held = {entry.filename for entry in chosen}
    return {
        name: _array(archive, entry, name, what=what) if entry.filename in held else np.zeros(0)
        for entry, name in zip(entries, names, strict=True)
    }


def _array(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, *, what: str
) -> Shaped[np.ndarray, "..."]:
    with archive.open(entry) as stream:
        shape, dtype = npy_header(stream)
        if dtype.hasobject:
            raise InputError(
                f"not a readable {what}: {name} holds pickled objects, not numbers; store plain "
                "arrays"
            )
        if math.prod(shape) * dtype.itemsize > entry.file_size:
            raise InputError(
                f"{name} is not of the size it states: {shape} of {dtype} in {entry.file_size} "
                "bytes"
            )
    with archive.open(entry) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # caused by headers that Python 2 wrote
        return npy_format.read_array(stream, allow_pickle=False)


def npy_header(stream: io.BufferedIOBase) -> tuple[tuple[int, ...], np.dtype]:
    """Return shape and dtype of the array that follows; the stream is then positioned after its
    header.

    Raises `ValueError` if there is no header.
    """
    version = npy_format.read_magic(stream)
    read = (
        npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            shape, _, dtype = read(stream)
        except (
            tokenize.TokenError,
            SyntaxError,
            TypeError,
            LookupError,
            RecursionError,
            MemoryError,
        ) as error:
            raise ValueError(f"cannot parse its header ({type(error).__name__})") from error
    return shape, dtype
