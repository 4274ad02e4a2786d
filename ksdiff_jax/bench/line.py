"""One figure has several parts; each part is measured and becomes one line of JSON.

A line has `figure`, `work` (a description), its numbers, and the machine. A part that fails has
`error` instead of numbers, and the next one is measured. A part that was left out has `skipped` and
the reason.
"""

from collections.abc import Callable, Iterable

from ksdiff_jax.errors import first_line
from ksdiff_jax.plain_text import one_line

Part = tuple[str, Callable[[], dict]]  # a description, and a function that returns the numbers


def measured(figure: str, work: str, measure: Callable[[], dict], about: dict) -> dict:
    """Return the line of one part; `about` is appended to it."""
    try:
        numbers = measure()
    except Exception as error:
        numbers = {"error": error_text(error)}
    return {"figure": figure, "work": work, **numbers, **about}


def error_text(error: BaseException) -> str:
    """Return the type of an error and its first line."""
    return one_line(f"{type(error).__name__}: {first_line(error, limit=300)}")


def has_numbers(lines: Iterable[dict]) -> bool:
    """Return whether anything was measured."""
    return any("error" not in line and "skipped" not in line for line in lines)
