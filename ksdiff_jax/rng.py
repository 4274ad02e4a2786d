"""Named random streams: every use of randomness says what it is for, and depends on nothing else.

`stream(key, "dropout", step)` folds the stream's name and then the step into the key, so adding a
new stream never changes the numbers of an old one and a resumed run draws what the uninterrupted
one would have drawn.

What a sampler draws for a frame is fixed by the clip's key and the index of the frame in the clip
(`frame_noise`, `frame_uniform`), so neither the padding, nor the windows, nor the other clips of a
batch change it.
"""

import zlib

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.typing import AnyArray, Array, Float, Int, Key


def stream(
    key: Key[Array, ""], name: str, step: int | Int[Array, ""] | None = None
) -> Key[Array, ""]:
    """The key of the stream `name`, at `step` if one is given."""
    key = jax.random.fold_in(key, zlib.crc32(name.encode()))
    return key if step is None else jax.random.fold_in(key, step)


def streams(
    keys: Key[Array, "b"], name: str, step: int | Int[Array, ""] | None = None
) -> Key[Array, "b"]:
    """`stream` of each of several keys."""
    return jax.vmap(lambda key: stream(key, name, step))(keys)


def numbered(key: Key[Array, ""], numbers: AnyArray) -> Key[Array, "b"]:
    """A key for each of some numbers (b,): those of clips, so that a clip draws the same in any
    batch.
    """
    return jax.vmap(lambda number: jax.random.fold_in(key, number))(numbers)


def frame_keys(
    keys: Key[Array, "b"], first: Int[Array | np.ndarray, "b"], frames: int
) -> Key[Array, "b {frames}"]:
    """A key for each of `frames` frames of each clip, fixed by the clip's key and the frame index.

    `first` is the index of a clip's first frame, so a window of a clip has the keys that the same
    frames have in the whole clip.
    """

    def of_clip(key, first):
        return jax.vmap(lambda index: jax.random.fold_in(key, index))(first + jnp.arange(frames))

    return jax.vmap(of_clip)(keys, first)


def frame_noise(
    keys: Key[Array, "b"],
    first: Int[Array | np.ndarray, "b"],
    frames: int,
    shape: tuple[int, ...],
) -> Float[Array, "b {frames} ..."]:
    """Standard normal noise of `shape` for each frame, fixed as in `frame_keys`."""

    def draw(key):
        return jax.random.normal(key, shape, jnp.float32)

    return jax.vmap(jax.vmap(draw))(frame_keys(keys, first, frames))


def frame_uniform(
    keys: Key[Array, "b"], first: Int[Array | np.ndarray, "b"], frames: int
) -> Float[Array, "b {frames}"]:
    """A number from [0, 1) for each frame, fixed as in `frame_keys`."""
    return jax.vmap(jax.vmap(jax.random.uniform))(frame_keys(keys, first, frames))
