"""PyTorch's two file formats written by hand from their specification, so that tests of the reader
need no PyTorch.
"""

import collections
import io
import pickle
import struct
import sys
import types
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

STORAGES = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "int64": "LongStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "bfloat16": "BFloat16Storage",
    "complex64": "ComplexFloatStorage",
    "qint8": "QInt8Storage",
}


class Storage:
    """Numbers in a row under a key; pickled as a persistent id."""

    def __init__(self, key: str, values: np.ndarray, kind: str | None = None):
        self.key, self.values, self.kind = key, values, kind or STORAGES[values.dtype.name]


class Tensor(NamedTuple):
    """A tensor by its place in a storage."""

    storage: Storage
    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int = 0
    rebuild: str = "_rebuild_tensor_v2"


class _TensorPickler(pickle._Pickler):  # the one in Python, whose reducers see named tuples too
    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        identity = (
            "storage",
            getattr(sys.modules["torch"], value.kind),
            value.key,
            "cpu",
            value.values.size,
        )
        return (*identity, None) if self.legacy else identity

    def reducer_override(self, value):
        if isinstance(value, Tensor):
            make = getattr(sys.modules["torch._utils"], value.rebuild)
            hooks = collections.OrderedDict()
            return make, (value.storage, value.offset, value.size, value.stride, False, hooks)
        return NotImplemented

    def save(self, value, save_persistent_id=True):
        if isinstance(value, Tensor):
            return self.save_reduce(*self.reducer_override(value))
        return super().save(value, save_persistent_id)


def pretend_torch(monkeypatch) -> None:
    """Modules under the names that the pickles refer to, while a test writes one."""
    torch, inner = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.Tensor = type("Tensor", (), {})  # SciPy asks whether its arguments are such
    for name in STORAGES.values():
        setattr(torch, name, type(name, (), {"__module__": "torch", "__qualname__": name}))
    for name in ("_rebuild_tensor_v2", "_rebuild_qtensor", "_rebuild_sparse_tensor"):
        function = types.FunctionType((lambda *_: None).__code__, {}, name)
        function.__module__, function.__qualname__ = "torch._utils", name
        setattr(inner, name, function)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", inner)


def _pickled(value, *, legacy: bool) -> bytes:
    stream = io.BytesIO()
    pickler = _TensorPickler(stream, protocol=2)
    pickler.legacy = legacy
    pickler.dump(value)
    return stream.getvalue()


def write_zipped(
    path: Path, value, storages: list[Storage], *, folder: str = "archive", **members: bytes
) -> Path:
    """The form of PyTorch 1.6 and later."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{folder}/data.pkl", _pickled(value, legacy=False))
        for storage in storages:
            archive.writestr(f"{folder}/data/{storage.key}", storage.values.tobytes())
        for name, content in members.items():
            archive.writestr(f"{folder}/{name}", content)
    return path


def write_legacy(path: Path, value, storages: list[Storage]) -> Path:
    """The form before: pickles in a row, then each storage's count and bytes."""
    begin = [
        0x1950A86A20F9469CFC6C,
        1001,
        {"protocol_version": 1001, "little_endian": True, "type_sizes": {}},
    ]
    content = b"".join(pickle.dumps(item, protocol=2) for item in begin) + _pickled(
        value, legacy=True
    )
    content += pickle.dumps([storage.key for storage in storages], protocol=2)
    for storage in storages:
        content += struct.pack("<q", storage.values.size) + storage.values.tobytes()
    path.write_bytes(content)
    return path


def plain_tensors(arrays: dict[str, np.ndarray]) -> tuple[dict[str, Tensor], list[Storage]]:
    """Each array as a contiguous tensor with a storage of its own."""
    storages = [Storage(str(index), array.ravel()) for index, array in enumerate(arrays.values())]
    tensors = {}
    for (name, array), storage in zip(arrays.items(), storages, strict=True):
        stride = tuple(int(np.prod(array.shape[axis + 1 :])) for axis in range(array.ndim))
        tensors[name] = Tensor(storage, array.shape, stride)
    return tensors, storages
