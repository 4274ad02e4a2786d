"""Reads PyTorch files (.pth, .pt, .bin) without PyTorch, and without executing their content.

    zipped  (1.6 on)      a zip of <any name>/data.pkl, <any name>/data/<key> with a storage's
                          bytes, perhaps /byteorder
    legacy  (0.2 to 1.5)  see torch_legacy.py

The format of PyTorch 0.1 (a tar) and TorchScript programs are detected and refused.
"""

import mmap
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.file_kind import FileKind, checked_kind
from ksdiff_jax.foreign.inert_pickle import unpickled
from ksdiff_jax.foreign.pickle_names import known_name
from ksdiff_jax.foreign.stand_ins import Held
from ksdiff_jax.foreign.torch_legacy import read_legacy, storage_identity
from ksdiff_jax.foreign.torch_tensors import Storage
from ksdiff_jax.typing import Shaped

_MAX_UNPACKED_BYTES = 400_000_000
_INNER = (
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "ema",
    "model_ema",
    "weights",
    "params",
    "net",
)


def read_torch_file(path: Path, *, what: str) -> Any:
    """Return the content that `torch.save` stored, its tensors as `HeldTensor`; raise `InputError`
    in one line with the file's name.
    """
    kind = checked_kind(path, what=what)
    try:
        if kind is FileKind.ZIP:
            return _read_zipped(path, what=what)
        # tensors are read from the memory map later, so it stays open while they exist
        with path.open("rb") as stream:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            return read_legacy(data, find=partial(known_name, what=what))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (
        zipfile.BadZipFile,
        OSError,
        ValueError,
        LookupError,
        EOFError,
        RuntimeError,
        TypeError,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: not a valid PyTorch file ({reason}); download it again"
        ) from error


def read_state_dict(path: Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Return the weights in a PyTorch file by name; raise `InputError` for other content, or more
    than one set of weights.

    A training checkpoint stores them under a separate name ("model", "state_dict", ...), beside
    other things.
    """
    content = read_torch_file(path, what="file of weights")
    if isinstance(content, Held):
        content = content.state
    if not isinstance(content, dict):
        title = content.title if isinstance(content, Held) else type(content).__name__
        raise InputError(
            f"{path}: holds a {title} and not a dictionary of weights; give the state dict of the "
            "model"
        )
    inner = [key for key in _INNER if isinstance(content.get(key), dict) and _tensors(content[key])]
    if len(inner) > 1:
        raise InputError(
            f"{path}: holds several sets of weights ({', '.join(inner)}); save the one that is "
            "meant"
        )
    tensors = _tensors(content[inner[0]] if inner else content)
    if not tensors:
        raise InputError(f"{path}: not a dictionary of weights; give the state dict of the model")
    weights = {}
    for key, tensor in tensors.items():
        try:
            weights[str(key)] = (
                tensor if isinstance(tensor, np.ndarray | np.generic) else tensor.value()
            )
        except InputError as error:
            raise InputError(f"{path}: {str(key)[:100]} is {error}") from error
        except AttributeError:
            raise InputError(
                f"{path}: {str(key)[:100]} is {tensor.title}; give plain weights"
            ) from None
    return weights


def _tensors(content: dict) -> dict[Any, Any]:
    """Return the entries of a dictionary that are tensors, arrays, or stand-ins for tensors that
    cannot be read.
    """
    return {key: value for key, value in content.items() if isinstance(value, Held | np.ndarray)}


def is_torch_archive(path: Path) -> bool:
    """Return whether `torch.save` wrote this zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def _read_zipped(path: Path, *, what: str) -> Any:
    with zipfile.ZipFile(path) as archive:
        members = {entry.filename: entry for entry in archive.infolist()}
        if len(members) != len(archive.infolist()):
            raise InputError("an archive that contains a name twice")
        pickles = [name for name in members if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise InputError(f"a zip with {len(pickles)} files data.pkl; torch.save writes one")
        folder = pickles[0].removesuffix("data.pkl")
        if any(name.startswith(f"{folder}code/") for name in members):
            raise InputError(
                "a TorchScript program; save the model's state_dict() with torch.save instead"
            )
        if any(entry.flag_bits & 1 for entry in members.values()):
            raise InputError("an encrypted zip; store it without a password")
        size = sum(entry.file_size for entry in members.values())
        if size > max(path.stat().st_size, _MAX_UNPACKED_BYTES):
            raise InputError(
                f"unpacks to {size / 1e6:.0f} MB from {path.stat().st_size / 1e6:.0f} MB"
            )
        order_file = f"{folder}byteorder"
        order = ">" if order_file in members and archive.read(order_file).strip() == b"big" else "<"
        contents: dict[str, bytes] = {}

        def storage(identity: Any) -> Storage:
            dtype, key, count, _ = storage_identity(identity)
            if key not in contents:
                name = f"{folder}data/{key}"
                if name not in members:
                    raise InputError(f"lacks its storage data/{key[:40]}; download the file again")
                contents[key] = archive.read(name)
            return Storage(dtype, count, lambda: contents[key], order=order)

        return unpickled(
            archive.read(pickles[0]), find=partial(known_name, what=what), persistent=storage
        ).value
