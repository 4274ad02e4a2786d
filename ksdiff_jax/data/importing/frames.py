"""Converts the content of a pickle to named arrays: one dictionary of arrays, or one for each
frame.

Trackers write a clip as a dictionary of arrays (frames first), or collect their output for each
frame: a list of dictionaries, or a dictionary of them by frame number or file name. Numbers in such
names determine the order ("10" comes after "2", in any file order). A missing number is an error,
because everything after it would be too early. A dictionary that contains only one of these is
unwrapped. So is the one dictionary among other values that contains the arrays, as in `{"codedict":
{...}, "frame": 7}`, for a clip and for each frame.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.pickle_file import as_array, plain, text_keys
from ksdiff_jax.foreign.stand_ins import Held
from ksdiff_jax.typing import Shaped

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_MAX_FRAMES = 1_000_000
_MAX_BYTES = 400_000_000


def named_arrays(
    path: Path, content: Any, wanted: set[str]
) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Return all arrays by name, those not in `wanted` empty; raise `InputError` with the file and
    the key.
    """
    content = _unwrapped(content)
    frames = _frames(path, content)
    if frames is None:
        if not isinstance(content, dict):
            title = content.title if isinstance(content, Held) else type(content).__name__
            raise InputError(
                f"{path}: holds a {title}; need a dictionary of arrays, or one per frame"
            )
        named = _inner_dictionary(text_keys(content), wanted).items()
        return {
            key: _array(path, key, value) if key in wanted else np.zeros(0) for key, value in named
        }
    frames = [_inner_dictionary(text_keys(frame), wanted) for frame in frames]
    keys = set(frames[0])
    if any(set(frame) != keys for frame in frames):
        raise InputError(f"{path}: its {len(frames)} frames do not all have the same keys")
    return {key: _stacked(path, frames, key) if key in wanted else np.zeros(0) for key in frames[0]}


def _unwrapped(content: Any) -> Any:
    """Unwrap the content: a namespace, an array of one object, a dictionary whose only value is a
    container.
    """
    for _ in range(4):
        content = plain(content)
        if isinstance(content, Held):
            content = content.state
        if not isinstance(content, dict) or len(content) != 1:
            return content
        inner = _opened_frame(next(iter(content.values())))
        of_frames = (
            isinstance(inner, list | tuple)
            and inner
            and all(isinstance(frame, dict) for frame in inner)
        )
        if not isinstance(inner, dict) and not of_frames:
            return content
        content = inner
    return content


def _frames(path: Path, content: Any) -> list[dict] | None:
    """Return one dictionary per frame in order; None if the content does not have that form."""
    if isinstance(content, dict):
        values = [_opened_frame(value) for value in content.values()]
        if len(values) < 2 or not all(isinstance(value, dict) for value in values):
            return None
        return [values[index] for index in _order(path, content)]
    if not isinstance(content, list | tuple) or not 0 < len(content) <= _MAX_FRAMES:
        return None
    values = [_opened_frame(value) for value in content]
    return values if all(isinstance(value, dict) for value in values) else None


def _inner_dictionary(content: dict, wanted: set[str]) -> dict:
    """Return the one dictionary among the values that contains the wanted keys, together with
    wanted keys beside it, such as a rate.
    """
    inner = [
        text_keys(value)
        for value in map(_opened_frame, content.values())
        if isinstance(value, dict)
    ]
    holds = [found for found in inner if len(wanted & set(found)) > 1]
    beside = wanted & set(content)
    return (
        holds[0] | {key: content[key] for key in beside}
        if len(holds) == 1 and len(beside) < 2
        else content
    )


def _opened_frame(value: Any) -> Any:
    return value.state if isinstance(value, Held) and not hasattr(value, "value") else value


def _order(path: Path, by_name: Mapping[Any, Any]) -> list[int]:
    """Return the indices of the frames in the order of the numbers in their names; in file order if
    the names have no numbers.
    """
    names = [str(name)[-200:] for name in by_name]
    found = [_NUMBER.findall(name) for name in names]
    as_they_come = list(range(len(found)))
    if len({len(numbers) for numbers in found}) != 1 or not found[0]:
        return as_they_come
    columns = np.array(found, np.float64).T
    varying = [column for column in columns if (column != column[0]).any()]
    orders = [np.argsort(column, kind="stable") for column in varying]
    if not varying:
        return as_they_come
    if any((np.diff(column[orders[0]]) <= 0).any() for column in varying):
        raise InputError(
            f"{path}: its frames are named by several numbers or one of them twice "
            f"({names[0][-60:]!r}, "
            f"{names[1][-60:]!r}, ...): several faces or clips? store each in a separate file"
        )
    order = orders[0]
    steps = np.diff(varying[0][order])
    if (gaps := np.flatnonzero(steps > 1.5 * np.median(steps))).size:
        before, after = (names[order[gaps[0] + one]][-60:] for one in (0, 1))
        raise InputError(
            f"{path}: frames are missing between {before!r} and {after!r}, what comes after them "
            "would be too early; provide every frame"
        )
    return order.tolist()


def _array(path: Path, key: Any, value: Any) -> Shaped[np.ndarray, "..."]:
    try:
        return as_array(value)
    except InputError as error:
        raise InputError(f"{path}: {key} {error}") from error


def _stacked(path: Path, frames: list[dict], key: Any) -> Shaped[np.ndarray, "..."]:
    """Return (t, d) from one (d,) or (1, d) per frame; a single number, such as a rate, stays a
    single number.
    """
    values = [_array(path, key, frame[key]) for frame in frames]
    if shapes := sorted({value.shape for value in values[1:]} - {values[0].shape}):
        raise InputError(
            f"{path}: {key} has shape {values[0].shape} in its first frame, {shapes[0]} in another"
        )
    first = values[0]
    if first.ndim and first.size != first.shape[-1]:
        raise InputError(
            f"{path}: {key} has shape {first.shape} in each of {len(frames)} frames; need one row "
            "a frame"
        )
    if first.nbytes * len(values) > _MAX_BYTES:
        raise InputError(
            f"{path}: {key} is {first.nbytes * len(values) / 1e6:.0f} MB in all; too large"
        )
    return first if first.ndim == 0 else np.stack([value.reshape(-1) for value in values])
