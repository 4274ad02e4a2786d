"""Reads safetensors files: the header is checked, then the arrays are read by name.

    8 bytes: size of the header | JSON: name -> {dtype, shape, data_offsets} | all numbers in a row

The contents of the header are compared with the file before anything else is read. Types that NumPy
does not support (8-bit and 4-bit floats) and duplicate names have their own messages, which name
the tensor.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.file_kind import FileKind, checked_kind
from ksdiff_jax.typing import Shaped

_MAX_HEADER_BYTES = 100_000_000
_BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U64": 8,
    "U32": 4,
    "U16": 2,
    "U8": 1,
    "BOOL": 1,
    "C64": 8,
}
_QUANTISED = ("F8_", "F6_", "F4", "E8M0")


def read_tensors(path: Path, *, what: str, remedy: str) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Return all tensors by name; raise `InputError` in one line that ends in `remedy` if the file
    is invalid.
    """
    import ml_dtypes  # noqa: F401  safetensors reads bfloat16 into NumPy once this is imported
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    kind = checked_kind(path, what=what)
    if kind not in (FileKind.TENSORS, FileKind.OTHER):
        raise InputError(f"{path}: not a valid safetensors file (it is {kind.value}); {remedy}")
    try:
        _check_header(path)
        return load_file(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (
        SafetensorError,
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a valid safetensors file ({reason}); {remedy}") from error


def _check_header(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as stream:
        claimed = int.from_bytes(stream.read(8), "little")
        if claimed > min(size - 8, _MAX_HEADER_BYTES):
            raise ValueError(f"its header states {claimed} bytes, the file has {size}")
        header = json.loads(stream.read(claimed).decode("utf-8"), object_pairs_hook=_once)
    if not isinstance(header, dict) or not all(
        isinstance(entry, dict) for entry in header.values()
    ):
        raise ValueError("its header is not a JSON object of tensors")
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        if str(dtype).startswith(_QUANTISED):
            raise InputError(
                f"{name} is quantised ({dtype}); give the weights before they were quantised"
            )
        if dtype not in _BYTES:
            raise InputError(
                f"{name} is of the unknown type {str(dtype)[:20]!r}; give float32 weights"
            )
        if (
            not 0 <= begin <= end <= size - 8 - claimed
            or math.prod(shape) * _BYTES[dtype] != end - begin
        ):
            raise ValueError(
                f"{name}, {dtype} of shape {shape}, is at bytes {begin} to {end} of "
                f"{size - 8 - claimed}"
            )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; raise `InputError` if a name appears twice, because one of the two
    would be lost.
    """
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in content if names.count(name) > 1)
        raise InputError(f"holds {twice!r} twice; it is not known which one to use")
    return content
