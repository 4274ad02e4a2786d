"""Whether a configuration describes a KSDiff at all: the checks that need no data and no device."""

import math
from typing import Any, NoReturn

from ksdiff_jax.config import Config
from ksdiff_jax.errors import InputError

_LEAST = {  # the smallest whole number that a field may be
    "model.width": 2,
    "model.heads": 1,
    "model.ffn_ratio": 1,
    "model.encoder.mel_bands": 1,
    "model.encoder.width": 1,
    "model.encoder.layers": 0,
    "model.encoder.kernel_size": 1,
    "model.transcript.layers": 0,
    "model.transcript.max_tokens": 2,
    "model.speech_paths.kernel_size": 1,
    "model.speech_paths.groups": 1,
    "model.speech_paths.head_stride": 1,
    "model.speech_paths.expression_stride": 1,
    "model.keyframes.layers": 1,
    "model.keyframes.window_frames": 1,
    "model.generator.layers": 1,
    "model.generator.period_frames": 1,
    "model.generator.bias_period_frames": 1,
    "model.generator.alignment_frames": 0,
    "model.diffusion.steps": 1,
}
_PROBABILITIES = (
    "model.transcript.drop_probability",
    "model.keyframes.jitter_probability",
    "model.keyframes.drop_probability",
    "model.diffusion.condition_drop_probability",
)
_WEIGHTS = (
    *(
        "loss.reconstruction",
        "loss.velocity",
        "loss.diffusion",
        "loss.spectral",
        "loss.keyframes",
        "loss.lip_gap",
    ),
    *("model.keyframes.positive_weight", "model.keyframes.negative_weight"),
)
_LEAST_WINDOW = 4  # motion frames: an STFT hops by a quarter of its window


def check_model_config(config: Config) -> None:
    """Raises `InputError` for the first field of `model` or `loss` that no network can be built or
    trained with.
    """
    for name, least in _LEAST.items():
        if _value(config, name) < least:
            _refuse(config, name, f"{least} or more")
    if config.model.width % (2 * config.model.heads):
        _refuse(
            config,
            "model.width",
            f"a multiple of twice the heads, 2 · {config.model.heads}: positions turn pairs",
        )
    if config.model.width % config.model.speech_paths.groups:
        _refuse(
            config, "model.speech_paths.groups", f"a divisor of model.width {config.model.width}"
        )
    if not 0 <= config.model.dropout < 1:
        _refuse(config, "model.dropout", "a number from 0 to below 1")
    for name in _PROBABILITIES:
        if not 0 <= _value(config, name) <= 1:
            _refuse(config, name, "a number from 0 to 1")
    for name in _WEIGHTS:
        if not (math.isfinite(_value(config, name)) and _value(config, name) >= 0):
            _refuse(config, name, "a finite number, 0 or more")
    if any(window < _LEAST_WINDOW for window in config.loss.spectral_windows):
        _refuse(
            config, "loss.spectral_windows", f"windows of {_LEAST_WINDOW} or more motion frames"
        )


def _value(config: Config, name: str) -> Any:
    part: Any = config
    for field in name.split("."):
        part = getattr(part, field)
    return part


def _refuse(config: Config, name: str, what: str) -> NoReturn:
    raise InputError(f"{name} {_value(config, name)}: need {what}")
