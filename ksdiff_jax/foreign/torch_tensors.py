"""PyTorch's tensors in a pickle: a storage of numbers, and the positions of a tensor's elements in
it.

    tensor[i, j, ...] = storage[offset + i stride_0 + j stride_1 + ...]

Storages come after the pickle or beside it (`torch_file`), so a tensor is assembled only when its
value is requested, and only if every index is inside its storage. Tensors that share a storage
(tied weights) stay small. Quantised, sparse and nested tensors and those of computing subclasses
are refused with a message.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.stand_ins import Held, Known
from ksdiff_jax.typing import Shaped

STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}
_QUANTISED = (
    "QInt8Storage",
    "QUInt8Storage",
    "QInt32Storage",
    "QUInt4x2Storage",
    "QUInt2x4Storage",
)
DTYPES = (
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "complex64",
    "complex128",
    "float8_e4m3fn",
    "float8_e5m2",
)
_ALIASES = {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "long": "int64",
    "int": "int32",
}
_UNREAD = {
    "_rebuild_qtensor": "a quantised tensor",
    "_rebuild_sparse_tensor": "a sparse tensor",
    "_rebuild_sparse_csr_tensor": "a sparse tensor",
    "_rebuild_nested_tensor": "a nested tensor",
    "_rebuild_meta_tensor_no_storage": "a tensor without values (of the meta device)",
    "_rebuild_wrapper_subclass": "a tensor of a custom class",
}
_MAX_EXPANDED_BYTES = 64_000_000


class Storage(Held):
    """Consecutive numbers: their type, their count, and how to read them."""

    def __init__(
        self, dtype: str, count: int, read: Callable[[], bytes], *, order: str = "<"
    ) -> None:
        super().__init__("torch.storage")
        self.dtype, self.count, self.data, self.order = dtype, count, read, order


class HeldTensor(Held):
    """A tensor by its position in a storage."""

    def __init__(
        self, storage: Storage, offset: int, size: tuple, stride: tuple, dtype: str
    ) -> None:
        super().__init__("torch.Tensor")
        whole = (offset, *size, *stride)
        if (
            len(size) != len(stride)
            or len(size) > 32
            or not all(isinstance(n, int) and 0 <= n < 1 << 40 for n in whole)
        ):
            raise InputError(f"a tensor of size {str(size)[:60]} and stride {str(stride)[:60]}")
        self.storage, self.offset, self.size, self.stride = (
            storage,
            offset,
            tuple(size),
            tuple(stride),
        )
        self.dtype = dtype

    def value(self) -> Shaped[np.ndarray, "..."]:
        """Return the array; raise `InputError` if the tensor extends beyond its storage."""
        dtype = numpy_dtype(self.dtype)
        data = self.storage.data()
        held = len(data) // dtype.itemsize
        if not math.prod(self.size):
            return np.zeros(self.size, dtype)
        last = self.offset + sum(
            (n - 1) * step for n, step in zip(self.size, self.stride, strict=True)
        )
        if last >= held:
            raise InputError(
                f"a tensor of size {self.size} that reaches value {last} of the {held} in its "
                "storage"
            )
        bound = max(len(data), _MAX_EXPANDED_BYTES)
        if math.prod(self.size) * dtype.itemsize > bound:
            raise InputError(f"a tensor of size {self.size}, expanded from {held} values")
        flat = np.frombuffer(data, dtype, count=held)
        if self.storage.order == ">":
            flat = flat.byteswap()
        steps = tuple(step * dtype.itemsize for step in self.stride)
        return np.lib.stride_tricks.as_strided(
            flat[self.offset :], self.size, steps, writeable=False
        )


def numpy_dtype(name: str) -> np.dtype:
    """Return NumPy's dtype for one of torch's; raise `InputError` for quantised ones."""
    if name.startswith("quantised"):
        raise InputError(f"a tensor of {name} values; give the weights before they were quantised")
    if name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))
    return np.dtype(name)


def storage_dtype(kind: Any) -> str:
    """Return the type of the numbers in a storage, from the class in the pickle."""
    name = kind.title.rpartition(".")[2] if isinstance(kind, Known) else ""
    if name in _QUANTISED:
        return f"quantised ({name})"
    if name not in STORAGES:
        raise InputError("a storage of an unknown type")
    return STORAGES[name]


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_rest: Any) -> Held:
    if not isinstance(storage, Storage):
        raise InputError("a tensor without a storage")
    if storage.dtype.startswith("quantised"):
        return Held("a quantised tensor")
    return HeldTensor(storage, offset, tuple(size), tuple(stride), storage.dtype)


def _typed_tensor(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> HeldTensor:
    """A tensor whose storage does not state its type; `rest` is requires_grad, hooks and dtype."""
    dtype = rest[2] if len(rest) > 2 else None
    name = dtype.title.removeprefix("torch.") if isinstance(dtype, Known) else ""
    if not isinstance(storage, Storage) or name not in DTYPES:
        raise InputError(f"a tensor of the unknown type {name or 'of no name'}")
    return HeldTensor(storage, offset, tuple(size), tuple(stride), name)


def _same(tensor: Any, *_rest: Any) -> Any:
    return tensor


def _of_subclass(function: Any, _kind: Any, arguments: Any, *_rest: Any) -> Any:
    if not isinstance(function, Known) or function.make is None or not isinstance(arguments, tuple):
        raise InputError("a tensor of an unknown kind; nothing of it was run")
    return function.make(*arguments)


def _unread(title: str) -> Callable[..., Held]:
    return lambda *_arguments: Held(title)


def tensor_names() -> dict[tuple[str, str], Known]:
    """Return the names under which tensors, parameters and storages are pickled, except for
    storages pickled as the bytes of a legacy file (pickle_names.py).
    """
    names: dict[tuple[str, str], Known] = {
        ("torch._utils", "_rebuild_tensor"): Known("tensor", _tensor),
        ("torch._utils", "_rebuild_tensor_v2"): Known("tensor", _tensor),
        ("torch._utils", "_rebuild_tensor_v3"): Known("tensor", _typed_tensor),
        ("torch._utils", "_rebuild_parameter"): Known("parameter", _same),
        ("torch._utils", "_rebuild_parameter_with_state"): Known("parameter", _same),
        ("torch._tensor", "_rebuild_from_type_v2"): Known("tensor", _of_subclass),
        ("torch._tensor", "_rebuild_from_type"): Known("tensor", _of_subclass),
        ("torch.storage", "TypedStorage"): Known("torch.storage.TypedStorage"),
        ("torch.storage", "_TypedStorage"): Known("torch.storage.TypedStorage"),
        ("torch", "Size"): Known("torch.Size", lambda items=(): tuple(items)),
        ("torch", "device"): Known("torch.device", _unread("torch.device")),
        ("torch", "Tensor"): Known("torch.Tensor"),
        ("torch._tensor", "Tensor"): Known("torch.Tensor"),
        ("torch.nn.parameter", "Parameter"): Known("torch.nn.Parameter"),
        ("torch.nn.parameter", "Buffer"): Known("torch.nn.Buffer"),
        ("torch.serialization", "_get_layout"): Known("layout", _unread("torch.layout")),
    }
    for name in (*STORAGES, *_QUANTISED):
        for module in ("torch", "torch.storage", "torch.cuda"):
            names[module, name] = Known(f"torch.{name}")
    for name in (
        *DTYPES,
        *_ALIASES,
        "qint8",
        "quint8",
        "qint32",
        "strided",
        "per_tensor_affine",
        "contiguous_format",
    ):
        names["torch", name] = Known(f"torch.{_ALIASES.get(name, name)}")
    for name, title in _UNREAD.items():
        names["torch._utils", name] = Known(title, _unread(title))
    return names
