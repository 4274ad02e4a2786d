"""A student of three blocks with random weights."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.speech.config import StudentEncoderConfig
from ksdiff_jax.speech.load import SpeechEncoder, encoder_digest
from ksdiff_jax.speech.student import StudentEncoder
from ksdiff_jax.typing import PyTree
from tests.run_once import jit_to_run_once

LAYOUT = StudentEncoderConfig(
    hidden_size=8,
    num_layers=3,
    attention_layers=1,
    num_heads=2,
    ffn_ratio=2,
    kernel_size=3,
    window_frames=6,
    mel_bands=12,
    ahead_frames=4,
)


@functools.cache
def _drawn() -> PyTree:
    drawn = jit_to_run_once(StudentEncoder(LAYOUT).init)(jax.random.key(0), jnp.zeros((1, 1600)))
    return jax.tree.map(np.asarray, drawn["params"])


@functools.cache
def student_params(seed: int = 0) -> PyTree:
    """Parameters of which none is constant."""
    random = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: np.asarray(leaf + random.normal(scale=0.3, size=leaf.shape), np.float32),
        _drawn(),
    )


def tiny_student(seed: int = 0) -> SpeechEncoder:
    """The encoder, as `load_encoder` returns it."""
    params = student_params(seed)
    return SpeechEncoder(LAYOUT, params, encoder_digest(params, LAYOUT), "tests")
