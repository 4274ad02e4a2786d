"""The Transformer layer of the pretrained encoders, with norms before or after its two parts.

post-norm   x = norm(x + attention(x)),      x = norm(x + feed_forward(x))
pre-norm    x = x + attention(norm(x)),      x = x + feed_forward(norm(x))
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from ksdiff_jax.layers.dense import Dense
from ksdiff_jax.speech.config import EncoderLayout
from ksdiff_jax.speech.front_end import ACTIVATIONS
from ksdiff_jax.speech.relative_positions import PositionGate
from ksdiff_jax.typing import Array, Bool, Float

_MASKED = -1e30


class States(NamedTuple):
    """The hidden states of a recording."""

    last: Float[Array, "b n d"]
    hidden: tuple[Float[Array, "b n d"], ...]  # the input of the first layer and the output of each


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward with residuals, norms after each (post-norm) or before
    (pre-norm).
    """

    config: EncoderLayout
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b n d"],
        *,
        mask: Bool[Array, "b n"] | None,
        position_bias: Float[Array, "h n n"] | None,
    ) -> Float[Array, "b n d"]:
        config = self.config
        attention = SelfAttention(config, dtype=self.dtype, name="attention")
        feed_forward = FeedForward(config, dtype=self.dtype, name="feed_forward")
        attention_norm, final_norm = (
            nn.LayerNorm(epsilon=config.layer_norm_eps, dtype=jnp.float32, name=name)
            for name in ("attention_norm", "final_norm")
        )
        if config.stable_layer_norm:
            normed = attention_norm(x).astype(self.dtype)
            x = x + attention(normed, mask=mask, position_bias=position_bias)
            return x + feed_forward(final_norm(x).astype(self.dtype))
        x = attention_norm(x + attention(x, mask=mask, position_bias=position_bias)).astype(
            self.dtype
        )
        return final_norm(x + feed_forward(x)).astype(self.dtype)


class SelfAttention(nn.Module):
    """Multi-head attention of all frames to all valid frames; one matrix product computes queries,
    keys and values.
    """

    config: EncoderLayout
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b n d"],
        *,
        mask: Bool[Array, "b n"] | None,
        position_bias: Float[Array, "h n n"] | None,
    ) -> Float[Array, "b n d"]:
        heads, width = self.config.num_heads, self.config.hidden_size
        together = Dense(3 * width, dtype=self.dtype, name="query_key_value")(x)
        query, key, value = (
            part.reshape(*x.shape[:2], heads, width // heads)
            for part in jnp.split(together, 3, axis=-1)
        )
        query = query * (width // heads) ** -0.5
        logits = jnp.einsum("bqhc,bkhc->bhqk", query, key, preferred_element_type=jnp.float32)
        if position_bias is not None:
            logits = (
                logits + PositionGate(heads, name="position_gate")(x)[..., None] * position_bias
            )
        if mask is not None:
            logits = jnp.where(mask[:, None, None], logits, _MASKED)
        weights = jax.nn.softmax(logits, axis=-1).astype(self.dtype)
        mixed = jnp.einsum("bhqk,bkhc->bqhc", weights, value).reshape(x.shape)
        return Dense(width, dtype=self.dtype, name="output")(mixed)


class FeedForward(nn.Module):
    """Two dense layers with an activation between."""

    config: EncoderLayout
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        wide = Dense(self.config.intermediate_size, dtype=self.dtype, name="intermediate")(x)
        wide = ACTIVATIONS[self.config.activation](wide)
        return Dense(self.config.hidden_size, dtype=self.dtype, name="output")(wide)
