"""The mean of every loss: over the valid frames of each clip. Padding and the other clips of a
batch do not change it.
"""

import jax.numpy as jnp

from ksdiff_jax.typing import Array, Bool, Float


def clip_mean(values: Float[Array, "b t *n"], mask: Bool[Array, "b t"]) -> Float[Array, "b"]:
    """Return the mean over the valid frames of each clip and over all trailing axes, in float32; 0
    for a clip without valid frames.
    """
    trailing = tuple(range(2, values.ndim))
    frames = jnp.mean(values.astype(jnp.float32), axis=trailing)
    return jnp.where(mask, frames, 0.0).sum(axis=1) / jnp.maximum(mask.sum(axis=1), 1)
