"""Log lines of libraries that a reader would have to ignore."""

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def held_back(logger: str, *, below: int = logging.CRITICAL) -> Iterator[None]:
    """Within it the named logger writes nothing of a level below `below`."""
    named = logging.getLogger(logger)
    level = named.level
    named.setLevel(below)
    try:
        yield
    finally:
        named.setLevel(level)
