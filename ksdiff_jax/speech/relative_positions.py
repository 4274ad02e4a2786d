"""WavLM's gated relative position bias (Chen et al. 2022, §III-B).

    r_ij = d_bucket(j - i)           one learned number per bucket and head
    (g_a, g_b) = σ(sum of 4 over W q_i)
    g_i = g_a (g_b w - 1) + 2        gates from the input of the layer, per head
    bias_ij = g_i r_ij

The buckets are those of T5: half of them for each direction, exact for distances up to a quarter of
their number, logarithmic beyond.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.typing import Array, Float, Int


def relative_buckets(frames: int, *, buckets: int, max_distance: int) -> Int[np.ndarray, "t t"]:
    """Return the bucket of the distance j - i for all pairs."""
    distance = np.arange(frames)[None, :] - np.arange(frames)[:, None]
    half = buckets // 2
    exact = half // 2
    far = np.abs(distance).astype(np.float32)
    # float32 and rounded down, as in the original, so that the same distances lie on the edges of
    # buckets.
    with np.errstate(divide="ignore"):
        scaled = (
            np.log(far / np.float32(exact))
            / np.float32(math.log(max_distance / exact))
            * np.float32(half - exact)
        )
    logarithmic = np.minimum(exact + np.where(far < exact, 0.0, scaled).astype(np.int64), half - 1)
    within = np.where(far < exact, np.abs(distance), logarithmic)
    return (within + (distance > 0) * half).astype(np.int32)


class RelativePositions(nn.Module):
    """The ungated bias (h, t, t) that all layers share."""

    num_heads: int
    buckets: int
    max_distance: int

    @nn.compact
    def __call__(self, frames: int) -> Float[Array, "h t t"]:
        table = self.param(
            "embedding", nn.initializers.normal(0.02), (self.buckets, self.num_heads)
        )
        index = relative_buckets(frames, buckets=self.buckets, max_distance=self.max_distance)
        return jnp.moveaxis(table.astype(jnp.float32)[index], -1, 0)


class PositionGate(nn.Module):
    """The gate of each query and head, from the layer's input."""

    num_heads: int

    @nn.compact
    def __call__(self, x: Float[Array, "b t d"]) -> Float[Array, "b h t"]:
        per_head = x.reshape(*x.shape[:2], self.num_heads, -1).astype(jnp.float32)
        constant = self.param("constant", nn.initializers.ones, (self.num_heads,))
        projected = nn.Dense(8, dtype=jnp.float32, name="projection")(per_head)
        gates = jax.nn.sigmoid(projected.reshape(*projected.shape[:-1], 2, 4).sum(-1))
        gate = gates[..., 0] * (gates[..., 1] * constant - 1.0) + 2.0
        return jnp.moveaxis(gate, -1, 1)
