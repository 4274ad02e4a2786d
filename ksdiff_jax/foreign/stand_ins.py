"""Stand-ins for what a foreign file names: inert values that take the place of classes, functions
and objects.

A `Known` is a name that a pickle may mention. Calling the name calls our own `make`. A `Held` takes
the place of an object and keeps the state that the file gives it.
"""

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np

from ksdiff_jax.errors import InputError

_MAX_KEY_ITEMS = 16
_KEY_TYPES = (str, bytes, int, float, complex, bool, type(None), np.generic)


class Known(NamedTuple):
    """A name that a pickle may mention; `make` replaces a call of it, None refuses the call."""

    title: str
    make: Callable[..., Any] | None = None


class Held:
    """An object that keeps its arguments and its state, and has no behaviour."""

    def __init__(self, title: str, *arguments: Any) -> None:
        self.title, self.arguments = title, arguments
        self.state: dict = {}
        self.entries: dict = {}

    def set_state(self, state: Any) -> None:
        """Keep an object's state: a dictionary of attributes, or a pair of attributes and slots."""
        parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
        for part in parts:
            if isinstance(part, dict):
                self.state |= part


def checked_key(value: Any) -> Hashable:
    """A value that may be a dictionary's key or a set's member; raises `InputError` for others.

    Numbers, text and flat tuples of them: the hash of a nested tuple takes time that is exponential
    in its depth.
    """
    flat = value if isinstance(value, tuple) else (value,)
    if len(flat) > _MAX_KEY_ITEMS or not all(isinstance(item, _KEY_TYPES) for item in flat):
        raise InputError(f"a key of type {type(value).__name__}; keys are numbers or text")
    return value
