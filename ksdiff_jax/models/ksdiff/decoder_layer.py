"""The components of a decoder layer of the paper, the same in keyframe predictor and motion
generator (§3.3, R).

They are self-attention, cross-attention to speech, cross-attention to the transcript, and
feed-forward; each is pre-norm and residual. The two users treat time, masks and conditions
differently, so each defines its own `__call__`.
"""

import functools

import flax.linen as nn

from ksdiff_jax.layers.attention import Attention, FeedForward
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.layer_norm import LayerNorm
from ksdiff_jax.models.ksdiff.config import ModelConfig


class DecoderLayer(nn.Module):
    """Attentions, norms, feed-forward and dropout of one layer. The class has no `__call__`; a
    subclass defines the order of use.
    """

    config: ModelConfig
    execution: Execution = Execution()

    def setup(self) -> None:
        config, dtype = self.config, self.execution.dtype
        attention = functools.partial(
            Attention, config.width, config.heads, execution=self.execution
        )
        self.self_attention = attention()
        self.speech_attention = attention()
        self.feed_forward = FeedForward(config.width, config.ffn_ratio, dtype=dtype)
        self.norm_self = LayerNorm(dtype=dtype)
        self.norm_speech = LayerNorm(dtype=dtype)
        self.norm_feed_forward = LayerNorm(dtype=dtype)
        if config.transcript.enabled:
            self.transcript_attention = attention()
            self.norm_transcript = LayerNorm(dtype=dtype)
        self.dropout = nn.Dropout(config.dropout)
