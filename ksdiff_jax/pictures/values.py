"""Values of pictures: bytes from 0 to 255 in files, numbers from -1 to 1 in networks."""

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.typing import AnyArray, Array, Float, UInt8

_HALF = 127.5


def from_bytes(pictures: UInt8[AnyArray, "*n y x 3"]) -> Float[Array, "*n y x 3"]:
    """Return the values of a network, from -1 to 1."""
    return jnp.asarray(pictures, jnp.float32) / _HALF - 1


def to_bytes(values: Float[AnyArray, "*n y x 3"]) -> UInt8[np.ndarray, "*n y x 3"]:
    """Return the nearest bytes; values beyond -1 and 1 are clipped."""
    scaled = (np.asarray(values, np.float32) + 1) * _HALF
    return np.clip(np.rint(scaled), 0, 2 * _HALF).astype(np.uint8)
