"""The parts of a decoder layer of the paper, the same in keyframe predictor and motion generator
(§3.3, R).

Self-attention, cross-attention to speech, cross-attention to the transcript, feed-forward; each
pre-norm and residual. How the parts see time, masks and conditions differs, so each user writes its
own `__call__`.
"""

import functools

import flax.linen as nn

from ksdiff_jax.layers.attention import Attention, FeedForward
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.layer_norm import LayerNorm
from ksdiff_jax.models.ksdiff.config import ModelConfig


class DecoderLayer(nn.Module):
    """Abstract: attentions, norms, feed-forward and dropout of one layer, without an order
    of use.
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
