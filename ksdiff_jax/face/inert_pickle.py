"""Read the arrays of a pickle without running anything that is in it.

FLAME is distributed as a Python 2 pickle of NumPy arrays, chumpy arrays and a sparse matrix; trackers write their
coefficients as pickled dictionaries, one per file or per frame. A pickle is a program: this reader knows the handful
of names such files need, gives them stand-ins that only hold data, and refuses every other name. It is the pure
Python unpickler, whose memo and buffers cannot be made to grow beyond the file's size.
"""

import collections
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import Float

_MAX_BYTES = 400_000_000


class HeldState:
    """Stands in for an object of a foreign class: keeps its state, does nothing."""

    def __init__(self, *_arguments: Any) -> None:
        self.state: dict = {}

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}


class ChumpyArray(HeldState):
    """Stands in for chumpy's array, whose values are in `x`."""


class SparseMatrix(HeldState):
    """Stands in for SciPy's compressed sparse column matrix."""


def read_pickle(path: Path) -> dict[str, Any]:
    """The dictionary stored in a face model's pickle, its arrays as NumPy arrays; `InputError` for anything else."""
    content = read_pickled_value(path, what="face model")
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}; a face model is a dictionary of arrays")
    return {str(key): _plain(value) for key, value in content.items()}


def read_pickled_value(path: Path, *, what: str, offset: int = 0) -> Any:
    """Whatever lies pickled `offset` bytes into a file, as containers, numbers, text and arrays.

    `what` names the kind of file in the messages of `InputError`.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise InputError(f"{path}: {path.stat().st_size} bytes, more than the {_MAX_BYTES} a {what} may have")
    try:
        return _InertUnpickler(path.read_bytes()[offset:], what=what).load()
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:
        raise InputError(f"{path}: not a readable pickle of arrays ({type(error).__name__}: {error})") from error


def _plain(value: Any) -> Any:
    if isinstance(value, ChumpyArray):
        return np.asarray(value.state.get("x"))
    if isinstance(value, SparseMatrix):
        return _dense(value.state)
    return value


def _dense(state: dict) -> Float[np.ndarray, "r c"]:
    """A dense array from the state of a compressed sparse column matrix."""
    rows, columns = (int(n) for n in state.get("_shape", state.get("shape")))
    if rows * columns > 10_000_000:
        raise InputError(f"a sparse matrix of {rows} by {columns}; a joint regressor is far smaller")
    dense = np.zeros((rows, columns))
    data, indices, starts = (np.asarray(state[name]) for name in ("data", "indices", "indptr"))
    for column in range(columns):
        held = slice(int(starts[column]), int(starts[column + 1]))
        dense[indices[held], column] = data[held]
    return dense


def _empty_array(_subtype: Any, shape: Any, _dtype: Any) -> np.ndarray:
    """NumPy's own way to begin an array; its contents follow as state. Only ever empty here."""
    if tuple(shape) != (0,):
        raise InputError("a pickled array that does not begin empty")
    return np.ndarray((0,), np.uint8)


def _scalar(dtype: Any, data: Any) -> Any:
    return np.frombuffer(data.encode("latin1") if isinstance(data, str) else data, np.dtype(dtype))[0]


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise InputError(f"a pickled string in {encoding}")
    return text.encode("latin1")


def _reconstructor(kind: Any, _base: Any, _state: Any) -> HeldState:
    if not (isinstance(kind, type) and issubclass(kind, HeldState)):
        raise InputError("a pickled object of an unknown kind")
    return kind()


def _allowed() -> dict[tuple[str, str], Any]:
    names: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("copy_reg", "_reconstructor"): _reconstructor,
        ("copyreg", "_reconstructor"): _reconstructor,
        ("__builtin__", "object"): object,
        ("builtins", "object"): object,
        ("_codecs", "encode"): _encode,
        ("chumpy.ch", "Ch"): ChumpyArray,
        ("collections", "OrderedDict"): collections.OrderedDict,
    }
    for core in ("numpy.core.multiarray", "numpy._core.multiarray"):
        names[core, "_reconstruct"] = _empty_array
        names[core, "scalar"] = _scalar
    for module in ("scipy.sparse.csc", "scipy.sparse._csc"):
        names[module, "csc_matrix"] = SparseMatrix
    return names


# The pure Python class: pickle.Unpickler, in C, can be told to allocate a memo of any size.
class _InertUnpickler(pickle._Unpickler):
    _names = _allowed()
    # This instruction allocates what it names before reading it.
    dispatch = {code: action for code, action in pickle._Unpickler.dispatch.items() if code != pickle.BYTEARRAY8[0]}  # noqa: RUF012

    def __init__(self, data: bytes, *, what: str) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._what = what

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._names[module, name]
        except KeyError:
            message = f"asks for {module}.{name}, which no {self._what} needs; nothing of it was run"
            raise InputError(message) from None
