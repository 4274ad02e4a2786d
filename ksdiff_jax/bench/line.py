"""One figure is some parts; a part is measured, and becomes one line of JSON.

A line has `figure`, `work` (what was done), its numbers, and what they were measured on. A part
that fails has `error` instead of numbers, and the next one is measured. What was left out for a
reason has `skipped` and the reason.
"""

from collections.abc import Callable, Iterable

from ksdiff_jax.errors import first_line
from ksdiff_jax.plain_text import one_line

Part = tuple[str, Callable[[], dict]]  # what is done, and doing it: the numbers


def measured(figure: str, work: str, measure: Callable[[], dict], about: dict) -> dict:
    """The line of one part; `about` goes at its end."""
    try:
        numbers = measure()
    except Exception as error:
        numbers = {"error": error_text(error)}
    return {"figure": figure, "work": work, **numbers, **about}


def error_text(error: BaseException) -> str:
    """The kind of an error and its first line."""
    return one_line(f"{type(error).__name__}: {first_line(error, limit=300)}")


def has_numbers(lines: Iterable[dict]) -> bool:
    """Whether anything was measured."""
    return any("error" not in line and "skipped" not in line for line in lines)
