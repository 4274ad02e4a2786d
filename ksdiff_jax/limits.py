"""Limits of configuration fields, which every configuration checks on creation.

A dataclass calls these functions in `__post_init__`. `dataclasses.replace`, a config file, a dotted
option and a stored configuration are therefore all refused in the same way, in one line:

    model.width 0: need 2 or more
"""

import math

from ksdiff_jax.errors import InputError


def need(holds: bool, config, field: str, what: str) -> None:
    """Raise `InputError` unless `holds`; `field` is the dotted name of a field of `config`."""
    if not holds:
        raise InputError(f"{field} {getattr(config, field.rpartition('.')[2])}: need {what}")


def at_least(config, group: str, **least: int) -> None:
    """Check that each named field is a number of at least this value."""
    for name, limit in least.items():
        need(getattr(config, name) >= limit, config, f"{group}.{name}", f"{limit} or more")


def probabilities(config, group: str, *names: str, what: str = "a number from 0 to 1") -> None:
    """Check that each named field is a number from 0 to 1."""
    for name in names:
        need(0 <= getattr(config, name) <= 1, config, f"{group}.{name}", what)


def below_one(config, group: str, *names: str) -> None:
    """Check that each named field is a number from 0 to below 1."""
    for name in names:
        value = getattr(config, name)
        need(0 <= value < 1, config, f"{group}.{name}", "a number from 0 to below 1")


def weights(config, group: str, *names: str, what: str = "a finite number, 0 or more") -> None:
    """Check that each named field is a finite number of at least 0."""
    for name in names:
        value = getattr(config, name)
        need(math.isfinite(value) and value >= 0, config, f"{group}.{name}", what)
