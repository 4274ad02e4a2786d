"""The random key of a sample, from seed, number and noise id (`animate.engine`).

It is computed by a kept program (`parallel.programs`). Otherwise a new process would trace and
compile each operation of its own.
"""

import jax
import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.parallel.programs import kept_program
from ksdiff_jax.rng import number_of_stream
from ksdiff_jax.typing import AnyArray, Array, Key

MAX_SEED = 2**32


def sample_key(seed: int, number: int, noise_id: str) -> Key[Array, ""]:
    """Return the key of sample `number` of an utterance with this noise id:

    stream(stream(key(seed), "sample", number), "noise " + noise_id)     if there is a noise id
    """
    folded = [number_of_stream("sample"), number]
    if noise_id:
        folded.append(number_of_stream(f"noise {noise_id}"))
    return _folded(np.uint32(seed), np.array(folded, np.uint32))


@kept_program()
def _folded(seed: AnyArray, numbers: AnyArray) -> Key[Array, ""]:
    key = jax.random.key(seed)
    for number in numbers:
        key = jax.random.fold_in(key, number)
    return key


def check_seed(seed: int) -> None:
    """Raise `InputError` unless `seed` is a whole number from 0 to 2^32 - 1."""
    if not 0 <= seed < MAX_SEED:
        raise InputError(f"seed: got {seed}, need a whole number from 0 to {MAX_SEED - 1}")
