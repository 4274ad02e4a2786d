"""Typed fields of another tool's JSON: a whole number within bounds, a positive number, a flag, a
name.

`int("12")`, `bool("false")` and `float("nan")` succeed in Python, but the result describes a
different model than the file does. Here a field of the wrong type or value is reported in one line.
An absent field takes its default; null counts as absent.
"""

import json
import math
from pathlib import Path
from typing import Any

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.file_kind import checked_kind

_MAX_BYTES = 20_000_000
_MAX_LIST = 1000


class Fields:
    """The object in a JSON file, with typed access to its fields."""

    def __init__(self, path: Path, *, what: str = "JSON file") -> None:
        self.path, self.raw = path, read_json_object(path, what=what)

    def whole(self, key: str, default: int, *, least: int = 1, most: int = 65_536) -> int:
        """Return a whole number of `least` to `most`."""
        return self._whole(key, self._value(key, default), least, most)

    def wholes(self, key: str, default: tuple[int, ...], *, most: int = 65_536) -> tuple[int, ...]:
        """Return a list of whole numbers of 1 to `most`."""
        values = self._value(key, default)
        if not isinstance(values, list | tuple) or not 0 < len(values) <= _MAX_LIST:
            raise self._wrong(key, values, "a list of whole numbers")
        return tuple(self._whole(key, value, 1, most) for value in values)

    def positive(self, key: str, default: float) -> float:
        """Return a finite number above zero."""
        value = self._value(key, default)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 < value < math.inf
        ):
            raise self._wrong(key, value, "a positive number")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def name(self, key: str, default: str, known: tuple[str, ...]) -> str:
        """Return one of the known names."""
        value = self._value(key, default)
        if not isinstance(value, str) or value not in known:
            raise InputError(f"{self.path}: {key} is {_short(value)}; known are {', '.join(known)}")
        return value

    def _value(self, key: str, default: Any) -> Any:
        value = self.raw.get(key)
        return default if value is None else value

    def _whole(self, key: str, value: Any, least: int, most: int) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self._wrong(key, value, f"a whole number of {least} to {most}")
        return value

    def _wrong(self, key: str, value: Any, needed: str) -> InputError:
        return InputError(
            f"{self.path}: a field has an invalid value: {key} is {_short(value)}, not {needed}"
        )


def read_json_object(path: Path, *, what: str = "JSON file") -> dict[str, Any]:
    """Return the object in a JSON file in UTF-8, -16 or -32, with or without a byte-order mark;
    raise `InputError` if there is none.
    """
    checked_kind(path, what=what)
    if path.stat().st_size > _MAX_BYTES:
        raise InputError(f"{path}: {path.stat().st_size} bytes; a {what} is far smaller")
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: not a JSON file ({' '.join(str(error).split())[:200]})"
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}; a JSON object is needed")
    return content


def _short(value: Any) -> str:
    return repr(value)[:60]
