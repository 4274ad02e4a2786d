"""Reads the variables of a CTranslate2 model file, `model.bin`.

All numbers are little-endian; a string is its size with the final zero in 16 bits, then its bytes.

    u32 version of the format | string name of the model | u32 revision of the model
    u32 number of variables, each:  string name | u8 rank | u32 per dimension | u8 type
                                    | u32 number of bytes | the numbers
    u32 number of aliases, each:    string alias | string name of a variable

Versions 4 to 6 of the format are alike. A quantised weight w is stored as round(s w) with its scale
s, one for each row or one for all of it, under the name of the weight with `_scale` added; here it
becomes a float again.
"""

import math
import struct
from pathlib import Path
from typing import NamedTuple

import ml_dtypes
import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.file_kind import FileKind, checked_kind
from ksdiff_jax.typing import Shaped

VERSIONS = (4, 5, 6)
_TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16, ml_dtypes.bfloat16)
_MAX_RANK = 8


class CTranslate2Model(NamedTuple):
    """The name of a model, such as WhisperSpec, and its variables under their names and aliases."""

    name: str
    variables: dict[str, Shaped[np.ndarray, "..."]]


def read_ctranslate2(path: Path) -> CTranslate2Model:
    """Return the model in a file, its quantised weights as float32; raise `InputError` in one line
    if the file is invalid.
    """
    if checked_kind(path, what="CTranslate2 model") not in (FileKind.OTHER, FileKind.TENSORS):
        raise InputError(f"{path}: not a CTranslate2 model; download it again")
    try:
        model = _Reader(path.read_bytes()).model()
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (struct.error, ValueError, LookupError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: not a valid CTranslate2 model ({reason}); download it again"
        ) from error
    return model._replace(variables=_dequantised(model.variables))


class _Reader:
    """The content of a file, and the position up to which it has been read."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def model(self) -> CTranslate2Model:
        version = self._number("I")
        if version not in VERSIONS:
            raise InputError(
                f"version {version} of CTranslate2's format, or another format; versions "
                f"{VERSIONS[0]} to {VERSIONS[-1]} are read"
            )
        name, _ = self._string(), self._number("I")
        variables: dict[str, np.ndarray] = {}
        for _ in range(self._number("I")):
            key = self._string()
            if key in variables:
                raise ValueError(f"it holds {key!r:.80} twice")
            variables[key] = self._array(key)
        for _ in range(self._number("I")):
            alias, key = self._string(), self._string()
            if key not in variables:
                raise ValueError(f"{alias!r:.80} is an alias of {key!r:.80}, which is not there")
            variables[alias] = variables[key]
            if f"{key}_scale" in variables:
                variables[f"{alias}_scale"] = variables[f"{key}_scale"]
        if self.at != len(self.content):
            raise ValueError(f"it ends at byte {self.at}, the file has {len(self.content)}")
        return CTranslate2Model(name, variables)

    def _array(self, key: str) -> np.ndarray:
        rank = self._number("B")
        if rank > _MAX_RANK:
            raise ValueError(f"{key!r:.80} has {rank} dimensions")
        shape = tuple(self._number("I") for _ in range(rank))
        kind, size = self._number("B"), self._number("I")
        if kind >= len(_TYPES):
            raise ValueError(f"{key!r:.80} is of the unknown type {kind}")
        dtype = np.dtype(_TYPES[kind])
        if math.prod(shape) * dtype.itemsize != size:
            raise ValueError(f"{key!r:.80}, {dtype.name} of shape {shape}, has {size} bytes")
        return np.frombuffer(self._bytes(size), dtype).reshape(shape)

    def _string(self) -> str:
        return self._bytes(self._number("H")).rstrip(b"\0").decode("utf-8")

    def _number(self, code: str) -> int:
        return struct.unpack(f"<{code}", self._bytes(struct.calcsize(f"<{code}")))[0]

    def _bytes(self, size: int) -> bytes:
        taken = self.content[self.at : self.at + size]
        if len(taken) < size:
            raise ValueError(f"it ends within {size} bytes at byte {self.at}: an unfinished file")
        self.at += size
        return taken


def _dequantised(variables: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the variables with w = round(s w) / s, and without the scales."""
    weights = {}
    for name, array in variables.items():
        scale = variables.get(f"{name}_scale")
        if scale is not None:
            rows = scale.astype(np.float32).reshape(scale.shape + (1,) * (array.ndim - scale.ndim))
            with np.errstate(all="ignore"):  # a scale of 0 is found with the values it gives
                array = array.astype(np.float32) / rows
        if not (name.endswith("_scale") and name.removesuffix("_scale") in variables):
            weights[name] = array
    return weights
