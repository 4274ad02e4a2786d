"""Multi-head attention whose keys and values can be computed once and used many times.

    Attention(Q, K, V) = softmax(Q K^T / √d_head + bias) V                          (KSDiff Eq. 1-2)

The computation has two functions, `project` for keys and values and `__call__` for queries, because
samplers and decoders attend to the same memory repeatedly. Scores and softmax are float32, also in
cuDNN's kernel (kernels/fused_attention.py).
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ksdiff_jax.layers.dense import Dense
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.kernels.attention_by_rows import attention_by_rows, needs_rows
from ksdiff_jax.layers.kernels.fused_attention import fused_attention, fuses
from ksdiff_jax.layers.kernels.softmax_attention import softmax_attention
from ksdiff_jax.layers.position import rotary
from ksdiff_jax.typing import AnyArray, Array, Bool, Float

_MASKED = -1e9


class KeysValues(NamedTuple):
    """Projected memory."""

    keys: Float[Array, "b k h d"]
    values: Float[Array, "b k h d"]

    def joined(self, other: "KeysValues") -> "KeysValues":
        """Return this memory followed by another one."""
        return KeysValues(
            *(jnp.concatenate(pair, axis=1) for pair in zip(self, other, strict=True))
        )


def attend(
    queries: Float[Array, "b q h d"],
    memory: KeysValues,
    *,
    mask: Bool[Array, "*#bh #q k"] | None = None,
    bias: Float[Array, "*#h q k"] | None = None,
    implementation: str = "xla",
) -> Float[Array, "b q h d"]:
    """Softmax attention; `mask` (True = visible) and `bias` broadcast against (b, h, q, k).

    `implementation` is a name from `fused_attention.fuses`; with `auto`, an attention that is not
    fused and has more than 128 MiB of scores is computed in groups of queries. A query whose keys
    are all masked gets the mean of the values: it is finite, and its own validity masks it later.
    """
    if fuses(implementation, queries.shape, queries.dtype):
        return fused_attention(queries, memory.keys, memory.values, mask=mask, bias=bias)
    if implementation == "auto" and needs_rows(queries, memory.keys):
        return attention_by_rows(queries, memory.keys, memory.values, mask, bias)
    return softmax_attention(queries, memory.keys, memory.values, mask, bias)


def attend_near(
    queries: Float[Array, "b t h d"],
    prefix: KeysValues,
    memory: KeysValues,
    *,
    reach: int,
    mask: Bool[Array, "b t"],
    causal: Bool[Array, "b"] | None = None,
) -> Float[Array, "b t h d"]:
    """Attention of frame i to all of `prefix` and to the valid frames j of `memory` with |i − j| <=
    reach; in clips of `causal` to those with j <= i.

    It equals `attend` under `alignment_mask`, at a cost of t (2 reach + 1) instead of t² scores.
    """
    frames, scale = queries.shape[1], queries.shape[-1] ** -0.5

    def neighbours(values: Array) -> list[Array]:
        """Return the values of frames i - reach, …, i + reach at frame i, with zeros beyond both
        ends.
        """
        padded = jnp.pad(values, ((0, 0), (reach, reach)) + ((0, 0),) * (values.ndim - 2))
        return [padded[:, offset : offset + frames] for offset in range(2 * reach + 1)]

    def each_of(tokens: Float[Array, "b p h d"]) -> list[Array]:
        return [tokens[:, index, None] for index in range(tokens.shape[1])]

    # Each query row attends to a handful of keys: XLA fuses multiply and sum, but not tiny matrix
    # products.
    def score(keys: Float[Array, "b #t h d"]) -> Float[Array, "b t h"]:
        return jnp.sum((queries * keys).astype(jnp.float32), axis=-1) * scale

    visible = neighbours(mask)
    if causal is not None:
        later = [seen & ~causal[:, None] for seen in visible[reach + 1 :]]
        visible = visible[: reach + 1] + later
    near = [
        jnp.where(seen[..., None], score(keys), _MASKED)
        for keys, seen in zip(neighbours(memory.keys), visible, strict=True)
    ]
    scores = jnp.stack([score(keys) for keys in each_of(prefix.keys)] + near)
    weights = jax.nn.softmax(scores, axis=0).astype(memory.values.dtype)[..., None]
    values = each_of(prefix.values) + neighbours(memory.values)
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


class Attention(nn.Module):
    """Multi-head attention of width `width`; the `time` arguments enable rotary positions."""

    width: int
    heads: int
    execution: Execution = Execution()

    def setup(self) -> None:
        self.query = Dense(self.width, dtype=self.execution.dtype)
        self.key = Dense(self.width, dtype=self.execution.dtype)
        self.value = Dense(self.width, dtype=self.execution.dtype)
        self.out = Dense(self.width, dtype=self.execution.dtype)

    def project(
        self, memory: Float[Array, "b k d"], time_s: Float[AnyArray, "k"] | None = None
    ) -> KeysValues:
        """Return the keys and values of a memory for `__call__`."""
        keys = self._split(self.key(memory))
        return KeysValues(
            keys if time_s is None else rotary(keys, time_s), self._split(self.value(memory))
        )

    def __call__(
        self,
        x: Float[Array, "b q d"],
        memory: KeysValues,
        *,
        time_s: Float[AnyArray, "q"] | None = None,
        mask: Bool[Array, "*#bh #q k"] | None = None,
        bias: Float[Array, "*#h q k"] | None = None,
    ) -> Float[Array, "b q d"]:
        queries = self._split(self.query(x))
        queries = queries if time_s is None else rotary(queries, time_s)
        answer = attend(
            queries, memory, mask=mask, bias=bias, implementation=self.execution.attention
        )
        return self.out(answer.reshape(*x.shape[:-1], self.width))

    def near(
        self,
        x: Float[Array, "b t d"],
        prefix: KeysValues,
        memory: KeysValues,
        *,
        reach: int,
        mask: Bool[Array, "b t"],
        causal: Bool[Array, "b"] | None = None,
    ) -> Float[Array, "b t d"]:
        """`attend_near` with this layer's projections."""
        queries, options = self._split(self.query(x)), {"reach": reach, "mask": mask}
        answer = attend_near(queries, prefix, memory, **options, causal=causal)
        return self.out(answer.reshape(x.shape))

    def _split(self, x: Float[Array, "b n d"]) -> Float[Array, "b n h d2"]:
        return x.reshape(*x.shape[:-1], self.heads, self.width // self.heads)


class FeedForward(nn.Module):
    """Two dense layers with a GELU between."""

    width: int
    ratio: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
        x = nn.gelu(Dense(self.ratio * self.width, dtype=self.dtype, name="up")(x))
        return Dense(self.width, dtype=self.dtype, name="down")(x)
