"""NumPy's arrays, data types and scalars in a pickle, reconstructed from checked parts.

NumPy's own `__setstate__` accepts any state, and a data type with false flags and sizes makes it
read memory outside the array. Here a data type is a letter, a size and a byte order, and the number
of an array's bytes must match its shape exactly before `numpy.frombuffer` is called. Arrays of
objects become nested lists.

| written by | as |
|---|---|
| NumPy 1 and 2, protocols 0-4 | `_reconstruct`, then version, shape, dtype, order, bytes or list |
| protocol 5 | `_frombuffer(bytes, dtype, shape, order, axes)` |
| masked arrays | `_mareconstruct`, then data and mask; masked values become NaN |
| JAX | `_reconstruct_array` around NumPy's own |
"""

import math
import re
from typing import Any

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.stand_ins import Held, Known
from ksdiff_jax.typing import Shaped

_LETTERS = re.compile(r"[<>=|]?([?biufcSUVOMma])(\d*)")
_SIZES = {
    "b": (1,),
    "i": (1, 2, 4, 8),
    "u": (1, 2, 4, 8),
    "f": (2, 4, 8, 12, 16),
    "c": (8, 16, 24, 32),
}
_UNREAD = {"V": "a structured array", "M": "dates", "m": "times", "S": "text", "U": "text"}
_MAX_AXES, _MAX_LENGTH = 32, 1 << 40


class HeldDtype(Held):
    """A data type: its letter, size and byte order, or the reason why arrays of it are not read."""

    def __init__(self, code: Any = "V", *_flags: Any) -> None:
        super().__init__("numpy.dtype")
        self.letter, self.size, self.order, self.own = "V", 0, "=", None
        if isinstance(code, Known):
            self._named(code.title)
            return
        found = _LETTERS.fullmatch(code.decode("latin-1") if isinstance(code, bytes) else code)
        if not found:
            raise InputError(f"an array of the unknown type {str(code)[:40]!r}")
        self.letter = {"?": "b", "a": "S"}.get(found[1], found[1])
        self.size = int(found[2] or 1) if len(found[2]) < 10 else 0

    def _named(self, title: str) -> None:
        if title == "ml_dtypes.bfloat16":
            import ml_dtypes

            self.own = np.dtype(ml_dtypes.bfloat16)

    def set_state(self, state: Any) -> None:
        """Set (version, byte order, ..., item size, ...); sizes are stored for text, for which the
        letter does not give them.
        """
        if not isinstance(state, tuple) or len(state) < 7:
            raise InputError("a data type without its state")
        order = state[1].decode("latin-1") if isinstance(state[1], bytes) else state[1]
        if order not in ("<", ">", "|", "="):
            raise InputError(f"a data type of byte order {str(order)[:10]!r}")
        self.order = order
        if self.letter in "SU" and isinstance(state[5], int):
            self.size = state[5] // (4 if self.letter == "U" else 1)

    @property
    def unread(self) -> str | None:
        """The content of arrays of this type if that is not numbers or objects."""
        return None if self.own is not None else _UNREAD.get(self.letter)

    def of_numbers(self) -> np.dtype:
        """Return the NumPy type; raise `InputError` if it is not numeric."""
        if self.own is not None:
            return self.own
        if self.size not in _SIZES.get(self.letter, ()):
            raise InputError(
                f"holds {self.unread or f'values of type {self.letter}{self.size}'}; need numbers"
            )
        return np.dtype(f"{self.letter}{self.size}").newbyteorder(self.order)


class HeldArray(Held):
    """An array before and after its state is set."""

    def __init__(self, title: str = "numpy.ndarray") -> None:
        super().__init__(title)
        self.shape: tuple[int, ...] = (0,)
        self.dtype, self.data, self.fortran, self.masked = HeldDtype("f8"), b"", False, None
        self.axes: tuple[int, ...] | None = None

    def set_state(self, state: Any) -> None:
        """Set (version, shape, dtype, Fortran order, data), without the version in the oldest
        files; subclasses add to it.

        A subclass with additional attributes (`matrix`, `recarray`) has (its array's state, the
        attributes), or a dict.
        """
        if isinstance(state, dict):
            return
        if isinstance(state, tuple) and state and isinstance(state[0], tuple) and len(state) == 2:
            state = state[0] if len(state[0]) >= 4 else state
        if isinstance(state, tuple) and len(state) == 4:
            state = (1, *state)
        if not isinstance(state, tuple) or len(state) < 5 or not isinstance(state[2], HeldDtype):
            raise InputError("an array without its state")
        _, shape, self.dtype, fortran, self.data, *rest = state
        self.shape, self.fortran = _checked_shape(shape), bool(fortran)
        self.masked = rest[0] if self.title == "numpy.ma" and rest else None

    def value(self) -> Shaped[np.ndarray, "..."] | list | Any:
        """Return the array, or a nested list for an array of objects.

        Raises `InputError` if the parts do not match.
        """
        if self.dtype.letter == "O" and self.dtype.own is None:
            return _objects(self.data, self.shape)
        array = _numbers(self.data, self.dtype.of_numbers(), self.shape, fortran=self.fortran)
        if self.axes is not None:
            array = array.transpose(self.axes)
        if self.masked is None:
            return array
        mask = _numbers(self.masked, np.dtype(bool), self.shape, fortran=self.fortran)
        return np.where(mask, np.nan, array) if mask.any() else array


def _checked_shape(shape: Any) -> tuple[int, ...]:
    shape = (shape,) if isinstance(shape, int) else shape
    if not isinstance(shape, tuple | list) or len(shape) > _MAX_AXES:
        raise InputError("an array without a shape")
    if not all(isinstance(n, int) and 0 <= n <= _MAX_LENGTH for n in shape):
        raise InputError(f"an array of shape {str(shape)[:60]}")
    return tuple(shape)


def _numbers(
    data: Any, dtype: np.dtype, shape: tuple[int, ...], *, fortran: bool
) -> Shaped[np.ndarray, "..."]:
    data = data.encode("latin-1") if isinstance(data, str) else data
    needed = math.prod(shape) * dtype.itemsize
    if not isinstance(data, bytes) or len(data) != needed:
        held = f"{len(data)} bytes" if isinstance(data, bytes) else f"a {type(data).__name__}"
        raise InputError(
            f"an array of shape {shape} and type {dtype} needs {needed} bytes, it has {held}"
        )
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _objects(data: Any, shape: tuple[int, ...]) -> Any:
    if not isinstance(data, list) or math.prod(shape) != len(data):
        raise InputError(f"an array of objects of shape {shape} without so many objects")
    if not shape:
        return data[0]
    if len(shape) == 1 or not data:
        return data
    cells = np.empty(len(data), object)
    cells[:] = data
    return cells.reshape(shape).tolist()


def _begun(kind: Any = None, *_rest: Any) -> HeldArray:
    return HeldArray(
        "numpy.ma"
        if isinstance(kind, Known) and kind.title.startswith("numpy.ma.")
        else "numpy.ndarray"
    )


def _from_buffer(
    data: Any, dtype: Any, shape: Any, order: Any = "C", axes: Any = None
) -> HeldArray:
    array = _begun()
    array.set_state((1, shape, dtype, order == "F", data))
    # an array whose axes have another order in memory
    if order == "K" and axes is not None:
        if not isinstance(axes, tuple | list) or sorted(axes) != list(range(len(array.shape))):
            raise InputError(f"an array of shape {array.shape} whose axes are {str(axes)[:60]}")
        array.axes = tuple(axes)
    elif order not in ("C", "F", "A"):
        raise InputError(f"an array in the unknown order {str(order)[:10]!r}")
    return array


def _scalar(dtype: Any, data: Any = b"") -> Any:
    if not isinstance(dtype, HeldDtype):
        raise InputError("a scalar without a type")
    if dtype.letter == "O" and dtype.own is None:
        return data
    data = data.encode("latin-1") if isinstance(data, str) else data
    if dtype.letter in "SU" and isinstance(data, bytes):
        wide = "utf-32-be" if dtype.order == ">" else "utf-32-le"
        return data.decode("latin-1" if dtype.letter == "S" else wide, "replace").rstrip("\0")
    if dtype.unread:
        return Held(f"a scalar of {dtype.unread}")
    return _numbers(data, dtype.of_numbers(), (), fortran=False)[()]


def _of_jax(function: Any, arguments: Any, state: Any, *_rest: Any) -> HeldArray:
    array = _begun()
    array.set_state(state)
    return array


def array_names() -> dict[tuple[str, str], Known]:
    """Return the names that NumPy 1 and 2 and JAX write, with their stand-ins."""
    names: dict[tuple[str, str], Known] = {
        ("numpy", "ndarray"): Known("numpy.ndarray"),
        ("numpy", "dtype"): Known("numpy.dtype", HeldDtype),
        ("jax._src.array", "_reconstruct_array"): Known("jax.Array", _of_jax),
        ("ml_dtypes", "bfloat16"): Known("ml_dtypes.bfloat16"),
    }
    for core in ("numpy.core", "numpy._core"):
        names[core + ".multiarray", "_reconstruct"] = Known("numpy.ndarray", _begun)
        names[core + ".multiarray", "scalar"] = Known("numpy scalar", _scalar)
        for module in (".numeric", ".multiarray"):
            names[core + module, "_frombuffer"] = Known("numpy.ndarray", _from_buffer)
        for module, kind in (
            (".memmap", "memmap"),
            (".records", "recarray"),
            (".records", "record"),
        ):
            names[core + module, kind] = Known(f"numpy.{kind}")
    for module, kind in (
        ("numpy", "memmap"),
        ("numpy", "recarray"),
        ("numpy", "record"),
        ("numpy.rec", "recarray"),
        ("numpy", "matrix"),
        ("numpy.matrixlib.defmatrix", "matrix"),
    ):
        names[module, kind] = Known(f"numpy.{kind}")
    for module in ("numpy.ma.core", "numpy.ma"):
        names[module, "_mareconstruct"] = Known("numpy.ma.MaskedArray", _begun)
        names[module, "MaskedArray"] = Known("numpy.ma.MaskedArray")
    # Configurations refer to scalar types, as in {"dtype": numpy.float32}.
    for kind in sorted(
        {kind.__name__ for kind in np.sctypeDict.values()}
        | {"bool", "bool8", "float", "int", "str"}
    ):
        names["numpy", kind] = Known(f"numpy.{kind}")
    return names
