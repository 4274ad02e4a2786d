"""A coefficient file as named arrays, read without running anything that is in it.

| suffix | what is read |
|---|---|
| .npz | its arrays, never pickled objects |
| .npy | a dictionary that `numpy.save` pickled; a bare array has no names and is refused |
| .pkl | a dictionary of arrays, or a list, tuple or dictionary with one such dictionary per frame |
| .mat | MATLAB 5 variables |

Pickles go through the allow-list reader (face/inert_pickle.py). What would unpack to more than `MAX_BYTES` is refused
before it is unpacked.
"""

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from ksdiff_jax.errors import InputError
from ksdiff_jax.face.inert_pickle import read_pickled_value

MAX_BYTES = 400_000_000
SUFFIXES = (".npz", ".npy", ".pkl", ".mat")
WHAT = "coefficient file"
_BLOCK_BYTES = 1 << 20


def read_arrays(path: Path, wanted: set[str]) -> dict[str, np.ndarray]:
    """All arrays of a file by name, those not in `wanted` empty; raises `InputError` naming the file."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: a {WHAT} ends in {', '.join(SUFFIXES)}, this in '{path.suffix}'")
    if not path.is_file():
        raise InputError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}; need a {WHAT}")
    if not 0 < path.stat().st_size <= MAX_BYTES:
        raise InputError(f"{path}: {path.stat().st_size} bytes; need between 1 and {MAX_BYTES}")
    read = {".npz": _npz, ".mat": _mat, ".npy": _npy, ".pkl": _pkl}[path.suffix]
    try:
        return read(path, wanted)
    except InputError:
        raise
    except Exception as error:  # damaged files make their readers raise whatever they stumble over
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a readable {WHAT} ({type(error).__name__}: {reason})") from error


def _npz(path: Path, wanted: set[str]) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        members = {member.filename.removesuffix(".npy"): member.file_size for member in archive.infolist()}
    _check_size(path, sum(size for name, size in members.items() if name in wanted))
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] if name in wanted else np.zeros(0) for name in archive.files}


def _mat(path: Path, wanted: set[str]) -> dict[str, np.ndarray]:
    _check_unpacked(path)
    shapes = {name: shape for name, shape, _ in scipy.io.whosmat(path)}
    names = sorted(wanted & set(shapes))
    content = scipy.io.loadmat(path, variable_names=names) if names else {}
    return {name: content[name] if name in names else np.zeros(0) for name in shapes}


def _check_unpacked(path: Path) -> None:
    """MATLAB 5 files are a header of 128 bytes and elements (type, size, bytes), those of type 15 compressed."""
    data = path.read_bytes()
    order, position, size = "<" if data[126:128] == b"IM" else ">", 128, 0
    while position + 8 <= len(data):
        kind, stored = struct.unpack_from(order + "II", data, position)
        unpacker, rest = zlib.decompressobj(), data[position + 8 : position + 8 + stored] if kind == 15 else b""
        while rest and not unpacker.eof:
            size += len(unpacker.decompress(rest, _BLOCK_BYTES))
            rest = unpacker.unconsumed_tail
            _check_size(path, size)
        position += 8 + stored


def _npy(path: Path, wanted: set[str]) -> dict[str, np.ndarray]:
    with path.open("rb") as stream:
        major, _ = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(stream)
        offset = stream.tell()
    if dtype.kind != "O" or shape != ():
        raise InputError(
            f"{path}: a bare array {dtype} {shape}, and no tool documents what its columns are; "
            "save an npz with the names of its parts"
        )
    content = read_pickled_value(path, what=WHAT, offset=offset)
    return _named(path, content.item() if isinstance(content, np.ndarray) else content, wanted)


def _pkl(path: Path, wanted: set[str]) -> dict[str, np.ndarray]:
    return _named(path, read_pickled_value(path, what=WHAT), wanted)


def _named(path: Path, content: Any, wanted: set[str]) -> dict[str, np.ndarray]:
    frames = list(content.values()) if isinstance(content, dict) else content
    frames = list(frames) if isinstance(frames, tuple) else frames
    if isinstance(frames, list) and frames and all(isinstance(frame, dict) for frame in frames):
        if any(set(frame) != set(frames[0]) for frame in frames):
            raise InputError(f"{path}: its {len(frames)} frames do not all have the same keys")
        return {str(key): _stacked(path, frames, key) if key in wanted else np.zeros(0) for key in frames[0]}
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}; need a dictionary of arrays, or one per frame")
    return {str(key): np.asarray(value) if key in wanted else np.zeros(0) for key, value in content.items()}


def _stacked(path: Path, frames: list[dict], key: Any) -> np.ndarray:
    """(t, d) from one (d,) or (1, d) per frame; single numbers, such as a rate, stay single."""
    values = [np.asarray(frame[key]) for frame in frames]
    if shapes := sorted({value.shape for value in values[1:]} - {values[0].shape}):
        raise InputError(f"{path}: {key} has shape {values[0].shape} in its first frame, {shapes[0]} in another")
    return values[0] if values[0].ndim == 0 else np.stack([value.reshape(-1) for value in values])


def _check_size(path: Path, size: int) -> None:
    if size > MAX_BYTES:
        raise InputError(f"{path}: unpacks to {size / 1e6:.0f} MB, too large for a {WHAT}")
