"""Audio-expression cross-attention (Eq. 6) and its modulation by the diffusion step (Eq. 7).

    F_final = W_o [GELU(conv_k(F)) ; attention(F, A)] + b_o
    F_out   = γ(t) F_final + β(t),        (γ − 1, β) = linear(GELU(step embedding))

The convolution covers k frames around its own. The attention is causal: frame i of the motion
attends to the speech of frames 0 to i, with rotary positions (R). The GELU is R. Without the
convolution (the ablation "w/o LOCAL") F_final is W_o attention(F, A) + b_o.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.layers.attention import Attention, KeysValues
from ksdiff_jax.layers.convolution import zero_invalid
from ksdiff_jax.layers.dense import Dense, JoinedDense
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.models.disenttalk.config import ModelConfig
from ksdiff_jax.typing import AnyArray, Array, Bool, Float


class LocalConvolution(nn.Module):
    """A convolution of `kernel_size` frames over time, computed as one dense layer of all taps."""

    kernel_size: int
    execution: Execution = Execution()

    @nn.compact
    def __call__(self, x: Float[Array, "b t d"], mask: Bool[Array, "b t"]) -> Float[Array, "b t d"]:
        frames, width = x.shape[1:]
        reach = self.kernel_size // 2
        padded = jnp.pad(zero_invalid(x, mask), ((0, 0), (reach, reach), (0, 0)))
        taps = [padded[:, tap : tap + frames] for tap in range(self.kernel_size)]
        return JoinedDense(width, dtype=self.execution.dtype, name="taps")(*taps)


class LocalBlock(nn.Module):
    """F_out of Eq. 7; `project` returns the keys and values of the speech, once for all steps."""

    config: ModelConfig
    execution: Execution = Execution()

    def setup(self) -> None:
        config, dtype = self.config, self.execution.dtype
        self.speech_attention = Attention(config.width, config.heads, self.execution)
        if config.local_convolution:
            self.convolution = LocalConvolution(config.local_kernel, self.execution)
        self.out = JoinedDense(config.width, dtype=dtype)
        self.film = Dense(2 * config.width, dtype=dtype)

    def project(self, speech: Float[Array, "b t d"], time_s: Float[AnyArray, "t"]) -> KeysValues:
        """Return keys and values of the speech, one token per motion frame."""
        return self.speech_attention.project(speech, time_s)

    def __call__(
        self,
        x: Float[Array, "b t d"],
        stepped: Float[Array, "b d"],
        speech: KeysValues,
        *,
        mask: Bool[Array, "b t"],
        time_s: Float[AnyArray, "t"],
    ) -> Float[Array, "b t d"]:
        frame = np.arange(x.shape[1])
        visible = mask[:, None, None] & (frame[:, None] >= frame)
        parts = [self.speech_attention(x, speech, time_s=time_s, mask=visible)]
        if self.config.local_convolution:
            parts.insert(0, nn.gelu(self.convolution(x, mask)))
        final = self.out(*parts)
        scale, shift = jnp.split(self.film(nn.gelu(stepped))[:, None], 2, axis=-1)
        return (1 + scale) * final + shift
