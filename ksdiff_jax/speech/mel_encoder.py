"""The speech encoder that needs no download: log-mel frames and a stack of convolution blocks,
trained with the model.

An encoder is any module `(audio (b, s), mask (b, f)) -> features (b, f, d)` at 50 Hz. Each block
here is a ConvNeXt-like residual: depthwise convolution over time, layer norm, two dense layers (Liu
et al. 2022, §2.6).
"""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from ksdiff_jax.audio.mel import log_mel, normalise_mel, normalise_mel_so_far
from ksdiff_jax.layers.attention import FeedForward
from ksdiff_jax.layers.convolution import DepthwiseConvolution
from ksdiff_jax.layers.dense import Dense
from ksdiff_jax.layers.layer_norm import LayerNorm
from ksdiff_jax.speech.config import EncoderConfig
from ksdiff_jax.typing import Array, Bool, Float


class MelEncoder(nn.Module):
    """Log-mel, normalised per utterance and band, then `config.layers` convolution blocks.

    Of a causal clip the statistics are running ones. Its frame i depends on the sound up to `ahead`
    frames after it: half a frame for the window of the log-mel frames, whole frames for the
    convolutions, the first of which look ahead.
    """

    config: EncoderConfig
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        audio: Float[Array, "b s"],
        mask: Bool[Array, "b f"],
        *,
        causal: Bool[Array, "b"] | None = None,
        ahead: int = 0,
    ) -> Float[Array, "b f d"]:
        logarithms = log_mel(audio, bands=self.config.mel_bands)
        mel = normalise_mel(logarithms, mask)
        if causal is not None:
            so_far = normalise_mel_so_far(logarithms, mask)
            mel = jnp.where(causal[:, None, None], so_far, mel)
        left = ahead - 1  # frames of look-ahead for the convolutions
        # The biases differ: silence is zero in every band, and consecutive norms of zeros have
        # derivatives that overflow float32.
        project = Dense(
            self.config.width,
            dtype=self.dtype,
            bias_init=nn.initializers.normal(0.1),
            name="project",
        )
        x = project(mel.astype(self.dtype))
        for index in range(self.config.layers):
            local = DepthwiseConvolution(
                self.config.kernel_size, dtype=self.dtype, name=f"convolution_{index}"
            )(x, mask, causal=causal, ahead=left)
            left -= min(left, self.config.kernel_size // 2)
            local = LayerNorm(dtype=self.dtype, name=f"norm_{index}")(local)
            x = x + FeedForward(self.config.width, ratio=2, dtype=self.dtype, name=f"mix_{index}")(
                local
            )
        return x
