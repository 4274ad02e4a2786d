"""What a training step of a diffusion model draws for each clip: its diffusion step, its noise, and
whether its speech is dropped.

The random numbers of a clip depend only on the key of the clip and, frame by frame, on the index of
the frame: neither the other clips of the batch nor padding changes them.
"""

import jax
import jax.numpy as jnp

from ksdiff_jax.rng import frame_noise, streams
from ksdiff_jax.typing import Array, Bool, Float, Int, Key


def dropped_speech(keys: Key[Array, "b"], probability: float) -> Bool[Array, "b"]:
    """Return True with `probability` for each clip."""
    return jax.vmap(jax.random.uniform)(streams(keys, "drop speech")) < probability


def drawn_noise(
    keys: Key[Array, "b"], shape: tuple[int, ...], *, steps: int
) -> tuple[Int[Array, "b"], Float[Array, "b t *z"]]:
    """Return the diffusion step of each clip, and its noise of `shape`, frames first."""
    frames, *rest = shape
    drawn = jax.vmap(lambda key: jax.random.randint(key, (), 0, steps))(streams(keys, "step"))
    first = jnp.zeros(keys.shape, jnp.int32)
    return drawn, frame_noise(streams(keys, "noise"), first, frames, tuple(rest))
