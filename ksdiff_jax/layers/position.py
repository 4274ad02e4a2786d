"""Positions of tokens in time: sinusoids, rotations and the two attention biases of DiffSpeaker.

All of them are functions of time or of a pair of indices, so no table limits the length of a clip.
Times that are known during tracing are NumPy arrays: sines and cosines are then constants of the
program. For traced times the program computes them, and XLA on a CPU recomputes a cosine for every
clip and head.
"""

import types

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.layers.kernels.rotated import rotated
from ksdiff_jax.typing import AnyArray, Array, Bool, Float, Int

# Angular frequencies of rotary positions, radians per second of token time: from two radians per
# motion frame down to one turn in about a minute.
_FASTEST_RAD_PER_S = 50.0
_SLOWEST_RAD_PER_S = 0.1


def sinusoid(
    position: Float[AnyArray, "*n"] | Int[AnyArray, "*n"], *, width: int
) -> Float[Array, "*n d"]:
    """Return sine and cosine of `position` at width / 2 geometrically spaced frequencies (Vaswani
    et al. 2017, §3.5).
    """
    frequency = np.exp(-np.log(10_000.0) * np.arange(width // 2) / (width // 2)).astype(np.float32)
    angle = position[..., None].astype(np.float32) * frequency
    array = _library(angle)
    return jnp.asarray(array.concatenate([array.sin(angle), array.cos(angle)], axis=-1))


def rotary(x: Float[Array, "b n h d"], time_s: Float[AnyArray, "*n"]) -> Float[Array, "b n h d"]:
    """Rotate pairs of channels by angles proportional to each token's time in seconds (Su et al.
    2021).

    Dot products between rotated queries and keys depend only on differences of time, for any token
    rates.
    """
    half = x.shape[-1] // 2
    ratio = _SLOWEST_RAD_PER_S / _FASTEST_RAD_PER_S
    speed = (_FASTEST_RAD_PER_S * ratio ** (np.arange(half) / max(half - 1, 1))).astype(np.float32)
    angle = (time_s[..., None] * speed)[..., None, None, :]  # n 1 1 d/2
    array = _library(angle)
    cos, sin = array.cos(angle), array.sin(angle)
    return rotated(
        x,
        *(jnp.asarray(table, x.dtype) for table in (cos, array.concatenate([-sin, sin], axis=-2))),
    )


def _library(values: AnyArray) -> types.ModuleType:
    """Return NumPy for its own arrays, jax.numpy for all others."""
    return np if isinstance(values, np.ndarray) else jnp


def periodic_distance_bias(
    queries: Int[Array, "q"], keys: Int[Array, "k"], *, heads: int, period: int
) -> Float[Array, "h q k"]:
    """Return DiffSpeaker's self-attention bias, for frame indices i of queries and j of keys:

    −m_h ⌊(i − j) / P⌋ for j ≤ i,   −m_h ⌊(j − i − 1) / P⌋ for j > i
    m_h = 2^(−8 (h + 1) / H),  h = 0 … H − 1
    """
    offset = queries[:, None] - keys[None, :]
    steps = jnp.where(offset >= 0, offset // period, (-offset - 1) // period)
    slope = 2.0 ** (-8.0 * (np.arange(heads) + 1) / heads)
    return -slope[:, None, None].astype(np.float32) * steps.astype(jnp.float32)


def alignment_mask(
    queries: Int[Array, "q"], keys: Int[Array, "k"], *, reach: int
) -> Bool[Array, "q k"]:
    """Return True where |i − j| <= reach: the alignment mask of cross-attention to speech (FD2Talk,
    DiffSpeaker).
    """
    return jnp.abs(queries[:, None] - keys[None, :]) <= reach
