"""SciPy's sparse matrices and chumpy's arrays, from their attributes in a pickle.

A joint regressor is a sparse matrix in the official files. Its format depends on the SciPy version
that wrote it. All seven formats are read, matrices and arrays, under the module names of old and
new SciPy. Entries at the same position are summed.

    csc, csr   data, indices, indptr         bsr   the same, of blocks (n, r, c)
    coo        data, row and col or coords   dia   data (k, c), offsets
    lil        rows and data: a list a row   dok   (row, column) -> value
"""

import re
from typing import Any

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.pickled_arrays import HeldArray
from ksdiff_jax.foreign.stand_ins import Held, Known
from ksdiff_jax.typing import Float, Shaped

_KIND = re.compile(r"(csc|csr|coo|bsr|lil|dok|dia)_(matrix|array)")
_MODULE = re.compile(r"scipy\.sparse(\._?\w+)?")
_MAX_CELLS = 10_000_000
_MAX_DEPTH = 16


class HeldSparse(Held):
    """A sparse matrix by its attributes."""

    def value(self) -> Float[np.ndarray, "r c"]:
        """Return the dense matrix; raise `InputError` if its attributes are inconsistent."""
        state = self.state | {"entries": self.entries}
        shape = state.get("_shape", state.get("shape"))
        if not isinstance(shape, tuple | list) or len(shape) != 2:
            raise InputError(f"a sparse matrix ({self.title}) without a shape of two axes")
        rows, columns = (int(n) for n in shape)
        if min(rows, columns) < 0 or rows * columns > _MAX_CELLS:
            raise InputError(
                f"a sparse matrix of {rows} by {columns}; a joint regressor is far smaller"
            )
        try:
            row, column, data = _PLACES[self.title[:3]](state, (rows, columns))
        except (KeyError, TypeError, IndexError) as error:
            raise InputError(f"a sparse matrix ({self.title}) without its {error}") from error
        if not len(row) == len(column) == len(data):
            raise InputError(
                f"a sparse matrix of {len(data)} values at {len(row)} rows and {len(column)} "
                "columns"
            )
        if len(data) and (
            min(row.min(), column.min()) < 0 or row.max() >= rows or column.max() >= columns
        ):
            raise InputError(f"a sparse matrix with entries outside its {rows} by {columns}")
        dense = np.zeros((rows, columns))
        np.add.at(dense, (row, column), data)
        return dense


def _vector(value: Any, *, whole: bool = False) -> Shaped[np.ndarray, "*n"]:
    array = np.asarray(value.value() if isinstance(value, HeldArray) else value)
    if array.dtype.kind not in ("iu" if whole else "fiub"):
        raise InputError(
            f"a sparse matrix of {array.dtype} where it needs {'whole ' if whole else ''}numbers"
        )
    return array.astype(np.int64) if whole else array


def _expanded(starts: np.ndarray, count: int, lines: int) -> np.ndarray:
    """Return the line of each entry, from the starts of the lines; refuse starts that do not cover
    the entries.
    """
    sizes = np.diff(starts)
    if starts.shape != (lines + 1,) or starts[0] != 0 or (sizes < 0).any() or starts[-1] > count:
        raise InputError(f"a sparse matrix whose {lines} lines do not start at its entries")
    return np.repeat(np.arange(lines), sizes)


def _compressed(state: dict, lines: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    data, indices = _vector(state["data"]), _vector(state["indices"], whole=True)
    starts = _vector(state["indptr"], whole=True)
    line = _expanded(starts, min(len(data), len(indices)), lines)
    return line, indices[: len(line)], data[: len(line)]


def _of_columns(state: dict, shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    column, row, data = _compressed(state, shape[1])
    return row, column, data.ravel()


def _of_rows(state: dict, shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    row, column, data = _compressed(state, shape[0])
    return row, column, data.ravel()


def _of_blocks(state: dict, shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    blocks = _vector(state["data"])
    high, wide = blocks.shape[1:]
    row, column, blocks = _compressed(state, shape[0] // max(high, 1))
    rows = row[:, None, None] * high + np.arange(high)[:, None] + np.zeros(wide, int)
    columns = column[:, None, None] * wide + np.zeros((high, 1), int) + np.arange(wide)
    return rows.ravel(), columns.ravel(), blocks.ravel()


def _of_places(state: dict, _shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    row, column = state["coords"] if "coords" in state else (state["row"], state["col"])
    return _vector(row, whole=True), _vector(column, whole=True), _vector(state["data"])


def _of_diagonals(state: dict, shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    data, offsets = _vector(state["data"]), _vector(state["offsets"], whole=True)
    column = np.tile(np.arange(data.shape[1]), (len(offsets), 1))
    row = column - offsets[:, None]
    inside = (row >= 0) & (row < shape[0]) & (column < shape[1])
    return row[inside], column[inside], data[inside]


def _of_lists(state: dict, _shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    places, data = state["rows"].value(), state["data"].value()
    row = np.repeat(np.arange(len(places)), [len(line) for line in places])
    column = np.array([column for line in places for column in line], np.int64)
    return row, column, np.array([value for line in data for value in line], np.float64)


def _of_keys(state: dict, _shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    entries = state.get("_dict") or state["entries"]
    places = np.array(list(entries), np.int64).reshape(-1, 2)
    return places[:, 0], places[:, 1], np.array(list(entries.values()), np.float64)


_PLACES = {
    "csc": _of_columns,
    "csr": _of_rows,
    "bsr": _of_blocks,
    "coo": _of_places,
    "dia": _of_diagonals,
    "lil": _of_lists,
    "dok": _of_keys,
}


class HeldChumpy(Held):
    """chumpy's array, with values in `x`, or one that permutes the values of another array."""

    def value(self, depth: int = 0) -> Any:
        """Return the array that it represents; raise `InputError` for chumpy's other kinds."""
        if depth > _MAX_DEPTH:
            raise InputError("a chumpy array inside too many others")
        if "x" in self.state:
            return self._of(self.state["x"], depth)
        kind = self.title.rpartition(".")[2]
        if "a" not in self.state or kind not in ("Select", "Reshape", "transpose"):
            raise InputError(
                f"a {self.title} array, which is computed; store its values (its .r) as a NumPy "
                "array"
            )
        inner = np.asarray(self._of(self.state["a"], depth))
        if kind == "transpose":
            axes = self.state.get("axes")
            return inner.transpose(axes if axes is None else tuple(int(n) for n in axes))
        if kind == "Reshape":
            return inner.reshape(tuple(int(n) for n in self.state["newshape"]))
        chosen = np.asarray(self._of(self.state["idxs"], depth))
        if chosen.dtype.kind not in "iu" or (
            chosen.size and (chosen.min() < 0 or chosen.max() >= inner.size)
        ):
            raise InputError("a chumpy Select of values outside its array")
        return inner.ravel()[chosen].reshape(tuple(int(n) for n in self.state["preferred_shape"]))

    def _of(self, value: Any, depth: int) -> Any:
        if isinstance(value, HeldChumpy):
            return value.value(depth + 1)
        return value.value() if isinstance(value, HeldArray | HeldSparse) else value


def sparse_or_chumpy(module: str, name: str) -> Known | None:
    """Return the stand-in for a class of SciPy's sparse package or of chumpy; None for other
    names.
    """
    if _MODULE.fullmatch(module) and _KIND.fullmatch(name):
        return Known(name, lambda *_arguments: HeldSparse(name))
    if module == "chumpy" or module.startswith("chumpy."):
        return Known(f"{module}.{name}", lambda *_arguments: HeldChumpy(f"{module}.{name}"))
    return None
