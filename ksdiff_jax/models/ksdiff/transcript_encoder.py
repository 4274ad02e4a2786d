"""The transcript encoder: byte embedding and a small pre-norm Transformer encoder (our choice, R;
no vocabulary file).
"""

import functools

import flax.linen as nn
import numpy as np

from ksdiff_jax.layers.attention import Attention, FeedForward
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.layer_norm import LayerNorm
from ksdiff_jax.layers.position import sinusoid
from ksdiff_jax.layers.remat import rematerialise
from ksdiff_jax.models.ksdiff.config import ModelConfig
from ksdiff_jax.speech.transcript import VOCABULARY
from ksdiff_jax.typing import Array, Bool, Float, Int


class TranscriptEncoder(nn.Module):
    """Tokens (b, l) -> features (b, l, D). An empty transcript (begin and end only) is valid."""

    config: ModelConfig
    execution: Execution = Execution()

    @nn.compact
    def __call__(
        self, tokens: Int[Array, "b l"], mask: Bool[Array, "b l"], *, deterministic: bool
    ) -> Float[Array, "b l d"]:
        width, config = self.config.width, self.config
        x = nn.Embed(VOCABULARY, width, dtype=self.execution.dtype, name="embed")(tokens)
        x = x + sinusoid(np.arange(tokens.shape[1]), width=width).astype(self.execution.dtype)
        visible = mask[:, None, None, :]

        def layer(self: TranscriptEncoder, x: Array, index: int) -> Array:
            attention = Attention(
                width,
                config.heads,
                execution=self.execution,
                name=f"attention_{index}",
            )
            normed = LayerNorm(dtype=self.execution.dtype, name=f"norm_attention_{index}")(x)
            answer = attention(normed, attention.project(normed), mask=visible)
            x = x + nn.Dropout(config.dropout)(answer, deterministic=deterministic)
            normed = LayerNorm(dtype=self.execution.dtype, name=f"norm_feed_forward_{index}")(x)
            hidden = FeedForward(
                width, config.ffn_ratio, dtype=self.execution.dtype, name=f"feed_forward_{index}"
            )(normed)
            return x + nn.Dropout(config.dropout)(hidden, deterministic=deterministic)

        for index in range(config.transcript.layers):
            x = rematerialise(self.execution.remat, functools.partial(layer, index=index), self, x)
        return LayerNorm(dtype=self.execution.dtype, name="norm_out")(x)
