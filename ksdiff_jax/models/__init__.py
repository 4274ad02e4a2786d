"""The systems by name, and the choice among them.

A configuration names its system. Everything about a system is in its folder: `config.Config`, whose
fields say what it is, and a class in `system.py` that is a `models.system.System`. Neither is
imported before it is asked for, so that reading a configuration loads no JAX.
"""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ksdiff_jax.config import Config
from ksdiff_jax.errors import InputError
from ksdiff_jax.overrides import from_dict

if TYPE_CHECKING:
    from ksdiff_jax.models.system import System
    from ksdiff_jax.motion.space import MotionSpace

__all__ = ["SYSTEMS", "build_system", "config_from_dict", "default_config"]

SYSTEMS = {  # folder, and class in its system.py
    "ksdiff": ("ksdiff_jax.models.ksdiff", "KSDiff"),
    "disenttalk": ("ksdiff_jax.models.disenttalk", "DisentTalk"),
    "sync": ("ksdiff_jax.models.sync", "Sync"),
}
_FIRST = "ksdiff"  # of configurations that were stored before there was a choice


def default_config(system: str = _FIRST) -> Config:
    """The configuration of a system with every field at its default."""
    return _config_class(system)()


def config_from_dict(values: Mapping[str, object]) -> Config:
    """A stored configuration, the inverse of `config.to_dict`.

    Raises `InputError` for an unknown system and for fields that its configuration does not have.
    """
    return from_dict(_config_class(values.get("system", _FIRST)), values)


def build_system(config: Config, space: "MotionSpace | None" = None) -> "System":
    """The system that a configuration describes, for motion of `space`.

    Without a space it has no statistics of its data: it can be asked what it needs and how large it
    is, and neither trained nor sampled.
    """
    folder, name = SYSTEMS[config.system]
    system = getattr(importlib.import_module(f"{folder}.system"), name)
    return system(config) if space is None else system(config, space)


def _config_class(system: object) -> type:
    if system not in SYSTEMS:
        raise InputError(f"system {system!r}: not known; need one of {', '.join(SYSTEMS)}")
    return importlib.import_module(f"{SYSTEMS[system][0]}.config").Config
