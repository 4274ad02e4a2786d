"""Promises in seconds: kept on a quiet machine, and looser bounds that also a busy one keeps.

A default test asserts the order of events, and that all is over within `BOUND_S`; whatever it waits
for in vain takes `ENDLESS_S`, so that a wait which is not cut short fails. The promise itself is
the same test with the number that users are given, in `make test-long`.
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
