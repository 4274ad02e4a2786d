"""Suppresses log lines of libraries that are of no use to the reader."""

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def held_back(logger: str, *, below: int = logging.CRITICAL) -> Iterator[None]:
    """Suppress messages of the named logger below the level `below` during the block."""
    named = logging.getLogger(logger)
    level = named.level
    named.setLevel(below)
    try:
        yield
    finally:
        named.setLevel(level)
