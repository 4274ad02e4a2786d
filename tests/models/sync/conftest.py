"""A lip-sync model small enough for tests."""

import dataclasses

import jax
import numpy as np
import pytest

from ksdiff_jax.config import DataConfig
from ksdiff_jax.models.sync.config import Config, LossConfig, ModelConfig
from ksdiff_jax.models.sync.system import Sync
from ksdiff_jax.speech.config import EncoderConfig
from tests.models.ksdiff.conftest import lively
from tests.run_once import jit_to_run_once

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
    params = jit_to_run_once(system.init)(jax.random.key(1))
    return system, jax.tree.map(np.asarray, lively(params))


@pytest.fixture(scope="session")
def judged(tiny):
    """(params, batch, keys) -> ((mean loss, terms of each clip), gradient), compiled."""
    system, _ = tiny

    def total(params, batch, keys):
        terms = system.loss(params, batch, keys, train=True)
        return sum(terms.values()).mean(), terms

    return jit_to_run_once(jax.value_and_grad(total, has_aux=True))
