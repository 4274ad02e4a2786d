"""Reads a coefficient file as named arrays without executing its content.

| suffix | contents read |
|---|---|
| .npz | its arrays, never pickled objects |
| .npy | a dictionary that `numpy.save` pickled; a bare array has no names and is refused |
| .pkl, .pickle, .pt, .pth | a dictionary of arrays or tensors, or one per frame (`frames.py`) |
| .mat | MATLAB 4 and 5 variables |

The format of a file is determined from its content, and from its name if the content is ambiguous.
Pickles are read with an allow-list (foreign/pickle_file.py). A file that would unpack to more than
`MAX_BYTES` is refused before it is unpacked.
"""

import io
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import scipy.sparse

from ksdiff_jax.data.importing.frames import named_arrays
from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.array_archive import npy_header, read_npz
from ksdiff_jax.foreign.file_kind import FileKind, checked_kind
from ksdiff_jax.foreign.pickle_file import read_pickled_value
from ksdiff_jax.foreign.torch_file import is_torch_archive
from ksdiff_jax.typing import Shaped

MAX_BYTES = 400_000_000
SUFFIXES = (".npz", ".npy", ".pkl", ".pickle", ".pt", ".pth", ".mat")
WHAT = "coefficient file"
_BLOCK_BYTES = 1 << 20


def read_arrays(path: Path, wanted: set[str]) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Return all arrays of a file by name, those not in `wanted` empty; raise `InputError` with the
    file's name.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: a {WHAT} ends in {', '.join(SUFFIXES)}, this in '{path.suffix}'")
    kind = checked_kind(path, what=WHAT)
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: {path.stat().st_size} bytes; need between 1 and {MAX_BYTES}")
    try:
        if kind is FileKind.ZIP and not is_torch_archive(path):
            return read_npz(path, what=WHAT, wanted=wanted, limit=MAX_BYTES)
        if kind is FileKind.NPY:
            return _npy(path, wanted)
        if kind is FileKind.MATLAB or (kind is FileKind.OTHER and path.suffix.lower() == ".mat"):
            return _mat(path, wanted)
        if kind is FileKind.OTHER and path.suffix.lower() in (".npz", ".npy"):
            raise InputError(
                f"{path}: not a readable {WHAT}: its content is not what its name ends in"
            )
        return named_arrays(path, read_pickled_value(path, what=WHAT), wanted)
    except InputError:
        raise
    except Exception as error:  # readers raise many types of exceptions for damaged files
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: not a readable {WHAT} ({type(error).__name__}: {reason})"
        ) from error


def _npy(path: Path, wanted: set[str]) -> dict[str, Shaped[np.ndarray, "..."]]:
    with path.open("rb") as stream:
        shape, dtype = npy_header(stream)
    if dtype.kind != "O":
        raise InputError(
            f"{path}: a bare array {dtype} {shape}, and no tool documents what its columns are; "
            "save an npz with the names of its parts"
        )
    return named_arrays(path, read_pickled_value(path, what=WHAT), wanted)


def _mat(path: Path, wanted: set[str]) -> dict[str, Shaped[np.ndarray, "..."]]:
    data = path.read_bytes()
    if 0 in data[:4]:
        _check_version_4(path, data)
    else:
        _check_unpacked(path, data)
    shapes = {name: shape for name, shape, _ in scipy.io.whosmat(io.BytesIO(data))}
    names = sorted(wanted & set(shapes))
    for name in names:
        _check_size(path, 8 * math.prod(shapes[name]))
    content = scipy.io.loadmat(io.BytesIO(data), variable_names=names) if names else {}
    return {
        name: _of_matlab(path, name, content[name]) if name in names else np.zeros(0)
        for name in shapes
    }


def _of_matlab(path: Path, name: str, value: Any) -> Shaped[np.ndarray, "..."]:
    if scipy.sparse.issparse(value):
        return value.toarray()
    if value.dtype.names or value.dtype.kind == "O":
        what = "a cell array" if value.dtype.kind == "O" and not value.dtype.names else "a struct"
        raise InputError(f"{path}: {name} is {what}; save its numbers as separate variables")
    return value


def _check_version_4(path: Path, data: bytes) -> None:
    """Check a MATLAB 4 file: a sequence of matrices, each with type, rows, columns, a complex flag,
    length of name; name; numbers.
    """
    position = 0
    while position + 20 <= len(data):
        order = "<" if 0 <= struct.unpack_from("<i", data, position)[0] <= 5000 else ">"
        kind, rows, columns, imaginary, letters = struct.unpack_from(order + "5i", data, position)
        if kind % 1000 // 10 > 5 or min(rows, columns, letters) < 0:
            break
        size = rows * columns * (8, 4, 4, 2, 2, 1)[kind % 1000 // 10 % 10] * (2 if imaginary else 1)
        if position + 20 + letters + size > len(data):
            raise InputError(
                f"{path}: ends early: a matrix of {rows} by {columns} begins at byte {position}"
            )
        position += 20 + letters + size
    if position != len(data):
        raise InputError(
            f"{path}: not a readable {WHAT}: byte {position} is not the start of a MATLAB 4 matrix"
        )


def _check_unpacked(path: Path, data: bytes) -> None:
    """Check a MATLAB 5 file: a header of 128 bytes and elements (type, size, bytes); those of type
    15 are compressed.
    """
    order, position, size = "<" if data[126:128] == b"IM" else ">", 128, 0
    while position + 8 <= len(data):
        kind, stored = struct.unpack_from(order + "II", data, position)
        unpacker, rest = (
            zlib.decompressobj(),
            data[position + 8 : position + 8 + stored] if kind == 15 else b"",
        )
        while rest and not unpacker.eof:
            size += len(unpacker.decompress(rest, _BLOCK_BYTES))
            rest = unpacker.unconsumed_tail
            _check_size(path, size)
        position += 8 + stored


def _check_size(path: Path, size: int) -> None:
    if size > MAX_BYTES:
        raise InputError(f"{path}: unpacks to {size / 1e6:.0f} MB, too large for a {WHAT}")
