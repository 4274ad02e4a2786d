"""Named random streams: every use of randomness has a name, and depends only on it, the key and the
step.

`stream(key, "dropout", step)` folds the stream's name and then the step into the key. Adding a new
stream therefore never changes the numbers of an old one, and a resumed run draws the same numbers
as an uninterrupted one.

The random numbers of a sampler for a frame are determined by the clip's key and the index of the
frame in the clip (`frame_noise`, `frame_uniform`), so they do not depend on the padding, the
windows or the other clips of a batch.

`Given` numbers take the place of the keys where a program may not draw (`animate/onnx_form.py`).
"""

import zlib
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.typing import AnyArray, Array, Float, Int, Key


class Given(NamedTuple):
    """Numbers of the frames of clips in place of keys, by the name of their stream.

    `streams` returns those of one stream, whose shape is that of the draw: (b, t, ...).
    """

    numbers: Mapping[str, Float[Array, "b t ..."]]


def stream(
    key: Key[Array, ""], name: str, step: int | Int[Array, ""] | None = None
) -> Key[Array, ""]:
    """Return the key of the stream `name`, at `step` if one is given."""
    key = jax.random.fold_in(key, number_of_stream(name))
    return key if step is None else jax.random.fold_in(key, step)


def number_of_stream(name: str) -> int:
    """Return the number that `stream` folds into a key for this name, from 0 to 2^32 - 1."""
    return zlib.crc32(name.encode(errors="surrogatepass"))


def streams(
    keys: Key[Array, "b"] | Given, name: str, step: int | Int[Array, ""] | None = None
) -> Key[Array, "b"] | Float[Array, "b t ..."]:
    """Return `stream` of each of several keys; of `Given` numbers those of the stream, with
    `KeyError` if there are none.
    """
    if isinstance(keys, Given):
        return keys.numbers[name]
    return jax.vmap(lambda key: stream(key, name, step))(keys)


def numbered(key: Key[Array, ""], numbers: AnyArray) -> Key[Array, "b"]:
    """Return a key for each of some numbers (b,): those of clips, so that a clip's draws are the
    same in any batch.
    """
    return jax.vmap(lambda number: jax.random.fold_in(key, number))(numbers)


def frame_keys(
    keys: Key[Array, "b"], first: Int[Array | np.ndarray, "b"], frames: int
) -> Key[Array, "b {frames}"]:
    """Return a key for each of `frames` frames of each clip, determined by the clip's key and the
    frame index.

    `first` is the index of a clip's first frame, so a window of a clip has the same keys as these
    frames in the whole clip.
    """

    def of_clip(key, first):
        return jax.vmap(lambda index: jax.random.fold_in(key, index))(first + jnp.arange(frames))

    return jax.vmap(of_clip)(keys, first)


def frame_noise(
    keys: Key[Array, "b"] | Float[Array, "b t ..."],
    first: Int[Array | np.ndarray, "b"],
    frames: int,
    shape: tuple[int, ...],
) -> Float[Array, "b {frames} ..."]:
    """Return standard normal noise of `shape` for each frame, determined as in `frame_keys`; given
    numbers are returned as they are.
    """
    if not jnp.issubdtype(keys.dtype, jax.dtypes.prng_key):
        return keys

    def draw(key):
        return jax.random.normal(key, shape, jnp.float32)

    return jax.vmap(jax.vmap(draw))(frame_keys(keys, first, frames))


def frame_uniform(
    keys: Key[Array, "b"] | Float[Array, "b t"],
    first: Int[Array | np.ndarray, "b"],
    frames: int,
) -> Float[Array, "b {frames}"]:
    """Return a number from [0, 1) for each frame, determined as in `frame_keys`; given numbers are
    returned as they are.
    """
    if not jnp.issubdtype(keys.dtype, jax.dtypes.prng_key):
        return keys
    return jax.vmap(jax.vmap(jax.random.uniform))(frame_keys(keys, first, frames))
