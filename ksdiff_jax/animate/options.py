"""A configuration with other options of sampling."""

from dataclasses import fields, replace

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.config import Config
from ksdiff_jax.errors import InputError
from ksdiff_jax.overrides import override


def with_sampling(config: Config, **options) -> Config:
    """Return a configuration with these sampling options; an option None keeps its value. A
    guidance is that of the causal mode too.

    Raise `InputError` with the name of an unknown option or of one with an invalid value, and for a
    system that generates no motion.
    """
    if not fields(config.sample):
        raise InputError(
            f"{config.name or config.system}: a checkpoint of the system {config.system} generates "
            "no motion; animate with another checkpoint"
        )
    given = {f"sample.{name}": value for name, value in options.items() if value is not None}
    if "sample.guidance" in given and hasattr(config.sample, "causal_guidance"):
        given.setdefault("sample.causal_guidance", given["sample.guidance"])
    try:
        return override(config, given)
    except InputError as error:  # its message names fields of a configuration
        raise InputError(str(error).replace("sample.", "")) from error


def with_look_ahead(config: Config, milliseconds: float | int | None) -> Config:
    """Return a configuration with this look-ahead of the causal mode; None keeps the model's.

    Raise `InputError` unless the model can have it.
    """
    if milliseconds is None:
        return config
    frames = milliseconds * MOTION_RATE_HZ / 1000
    if not hasattr(config.model, "causal") or frames not in range(1, 6):
        raise InputError(
            f"look_ahead_ms: got {milliseconds:g}, need 40, 80, 120, 160 or 200, and a model with "
            "a causal mode"
        )
    causal = replace(config.model.causal, look_ahead_frames=int(frames))
    return replace(config, model=replace(config.model, causal=causal))
