"""Promises in seconds, checked on a quiet machine, with looser bounds for a busy one.

A default test asserts the order of events, and that everything is over within `BOUND_S`. Something
that it would wait for in vain takes `ENDLESS_S`, so that a wait which is not cut short fails. `make
test-long` runs the same test with the number that users are promised.
"""

import pytest

BOUND_S = 60.0
ENDLESS_S = 600.0


def promised_within(
    seconds: float, *, otherwise: tuple[pytest.MarkDecorator, ...] = ()
) -> pytest.MarkDecorator:
    """Run a test with `within_s` at the bound (marked with `otherwise`), and at the promise where
    that is asked for.
    """
    bounds = [pytest.param(BOUND_S, marks=otherwise), pytest.param(seconds, marks=pytest.mark.long)]
    return pytest.mark.parametrize("within_s", bounds)
