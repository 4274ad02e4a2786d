"""Configurations that are no KSDiff: refused by name, before anything is built."""

import pytest

from ksdiff_jax.config import Config
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system
from ksdiff_jax.overrides import override


@pytest.mark.parametrize(
    ("field", "value", "need"),
    [
        ("model.width", "33", "a multiple of twice the heads"),
        ("model.width", "0", "2 or more"),
        ("model.heads", "0", "1 or more"),
        ("model.heads", "3", "a multiple of twice the heads, 2 · 3"),
        ("model.dropout", "1.5", "a number from 0 to below 1"),
        ("model.encoder.mel_bands", "0", "1 or more"),
        ("model.speech_paths.groups", "3", "a divisor of model.width 512"),
        ("model.speech_paths.head_stride", "0", "1 or more"),
        ("model.generator.layers", "0", "1 or more"),
        ("model.keyframes.layers", "0", "1 or more"),
        ("model.generator.period_frames", "0", "1 or more"),
        ("model.diffusion.steps", "0", "1 or more"),
        ("model.keyframes.drop_probability", "nan", "a number from 0 to 1"),
        ("loss.spectral", "nan", "a finite number, 0 or more"),
        ("loss.spectral_windows", "0", "windows of 4 or more motion frames"),
    ],
)
def test_a_field_that_no_network_can_be_built_with_is_one_line(field, value, need):
    with pytest.raises(InputError, match=rf"^(model|loss)\.[a-z_.]+ .*: need {need}"):
        build_system(override(Config(), {field: value}))
