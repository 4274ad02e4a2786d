"""Named random streams: every use of randomness says what it is for, and depends on nothing else.

`stream(key, "dropout", step)` folds the stream's name and then the step into the key, so adding a
new stream never changes the numbers of an old one and a resumed run draws what the uninterrupted
one would have drawn.
"""

import zlib

import jax

from ksdiff_jax.typing import Array, Int, Key


def stream(
    key: Key[Array, ""], name: str, step: int | Int[Array, ""] | None = None
) -> Key[Array, ""]:
    """The key of the stream `name`, at `step` if one is given."""
    key = jax.random.fold_in(key, zlib.crc32(name.encode()))
    return key if step is None else jax.random.fold_in(key, step)
