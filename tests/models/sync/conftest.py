"""A lip-sync model small enough for tests."""

import dataclasses

import jax
import pytest

from ksdiff_jax.config import DataConfig
from ksdiff_jax.models.sync.config import Config, LossConfig, ModelConfig
from ksdiff_jax.models.sync.system import Sync
from ksdiff_jax.speech.config import EncoderConfig
from tests.models.ksdiff.conftest import lively

WINDOW, SHIFT, NEAR = 6, 3, 5
TINY = Config(
    name="tiny",
    model=ModelConfig(
        width=8,
        layers=2,
        kernel_frames=3,
        embedding=4,
        window_frames=WINDOW,
        encoder=EncoderConfig(mel_bands=20, width=8, layers=1),
    ),
    loss=LossConfig(true=0.75, shifted=0.25, pairs=8, shift_frames=SHIFT, near_frames=NEAR),
    data=DataConfig(clip_frames=WINDOW + 2 * SHIFT),
)


def with_model(config: Config, **changes) -> Config:
    """The configuration with other fields of its model."""
    return dataclasses.replace(config, model=dataclasses.replace(config.model, **changes))


@pytest.fixture(scope="session")
def tiny() -> tuple[Sync, dict]:
    """The system and random parameters, biases and norms too."""
    system = Sync(TINY)
    return system, lively(jax.jit(system.init)(jax.random.key(1)))
