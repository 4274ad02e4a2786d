"""The random key of a sample, from seed, number and noise id (`animate.engine`)."""

import jax

from ksdiff_jax.errors import InputError
from ksdiff_jax.rng import stream
from ksdiff_jax.typing import Array, Key

MAX_SEED = 2**32


def sample_key(seed: int, number: int, noise_id: str) -> Key[Array, ""]:
    """Return the key of sample `number` of an utterance with this noise id."""
    key = stream(jax.random.key(seed), "sample", number)
    return stream(key, f"noise {noise_id}") if noise_id else key


def check_seed(seed: int) -> None:
    """Raise `InputError` unless `seed` is a whole number from 0 to 2^32 - 1."""
    if not 0 <= seed < MAX_SEED:
        raise InputError(f"seed: got {seed}, need a whole number from 0 to {MAX_SEED - 1}")
