"""The diffusion works on motion normalised per dimension by the training set's mean and standard
deviation (R).
"""

import jax.numpy as jnp

from ksdiff_jax.models.system import Statistics
from ksdiff_jax.typing import Array, Float

# A dimension that (almost) never moves in the training set must not be blown up by dividing by
# nothing.
_SMALLEST_STD = 1e-3


def normalise(motion: Float[Array, "b t 59"], statistics: Statistics) -> Float[Array, "b t 59"]:
    """Motion with mean 0 and standard deviation 1 in every dimension."""
    return (motion - statistics.mean) / jnp.maximum(statistics.std, _SMALLEST_STD)


def denormalise(motion: Float[Array, "b t 59"], statistics: Statistics) -> Float[Array, "b t 59"]:
    """The inverse of `normalise`."""
    return motion * jnp.maximum(statistics.std, _SMALLEST_STD) + statistics.mean
