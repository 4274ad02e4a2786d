"""What a training step of a diffusion model draws for each clip: its diffusion step, its noise, and
whether a condition such as its speech is dropped.

The random numbers of a clip depend only on the key of the clip and, frame by frame, on the index of
the frame: neither the other clips of the batch nor padding changes them.
"""

import jax
import jax.numpy as jnp

from ksdiff_jax.rng import frame_noise, streams
from ksdiff_jax.typing import Array, Bool, Float, Int, Key


def drawn_flags(keys: Key[Array, "b"], name: str, probability: float) -> Bool[Array, "b"]:
    """Return True with `probability` for each clip; the flags of another name are independent."""
    return jax.vmap(jax.random.uniform)(streams(keys, name)) < probability


def drawn_noise(
    keys: Key[Array, "b"], shape: tuple[int, ...], *, steps: int, name: str = ""
) -> tuple[Int[Array, "b"], Float[Array, "b t *z"]]:
    """Return the diffusion step of each clip, and its noise of `shape`, frames first; those of
    another name are independent.
    """
    frames, *rest = shape
    of_step, of_noise = (streams(keys, f"{what} {name}".strip()) for what in ("step", "noise"))
    drawn = jax.vmap(lambda key: jax.random.randint(key, (), 0, steps))(of_step)
    return drawn, frame_noise(of_noise, jnp.zeros(keys.shape, jnp.int32), frames, tuple(rest))
