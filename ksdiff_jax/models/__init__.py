"""The systems by name, and functions that select one.

A configuration names its system. The folder of a system contains everything about it:
`config.Config`, the dataclass of its fields, and a class in `system.py` that implements
`models.system.System`. Both are imported on first use only, so reading a configuration does not
import JAX.
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
    "fd2talk_motion": ("ksdiff_jax.models.fd2talk.motion", "FD2TalkMotion"),
    "fd2talk_autoencoder": ("ksdiff_jax.models.fd2talk.autoencoder", "FD2TalkAutoencoder"),
    "fd2talk_frames": ("ksdiff_jax.models.fd2talk.frames", "FD2TalkFrames"),
    "sync": ("ksdiff_jax.models.sync", "Sync"),
    "student": ("ksdiff_jax.models.student", "Student"),
}
_FIRST = "ksdiff"  # the system of configurations that were stored without a system name


def default_config(system: str = _FIRST) -> Config:
    """Return the configuration of a system with every field at its default."""
    return _config_class(system)()


def config_from_dict(values: Mapping[str, object]) -> Config:
    """Return the configuration stored in `values`; the inverse of `config.to_dict`.

    Raise `InputError` for an unknown system and for fields that its configuration does not have.
    """
    return from_dict(_config_class(values.get("system", _FIRST)), values)


def build_system(config: Config, space: "MotionSpace | None" = None) -> "System":
    """Return the system that a configuration describes, for motion of `space`.

    A system without a space has no statistics of its data. Its needs and its parameter shapes are
    available, but it can neither be trained nor sampled.
    """
    folder, name = SYSTEMS[config.system]
    system = getattr(importlib.import_module(f"{folder}.system"), name)
    return system(config) if space is None else system(config, space)


def _config_class(system: object) -> type:
    if system not in SYSTEMS:
        raise InputError(f"system {system!r}: not known; need one of {', '.join(SYSTEMS)}")
    return importlib.import_module(f"{SYSTEMS[system][0]}.config").Config
