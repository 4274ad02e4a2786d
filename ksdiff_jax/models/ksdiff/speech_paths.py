"""Dual-Path Speech Encoder, DPSE (KSDiff §2.1): speech features -> head-pose features f_h and
expression features f_e.

    h_s = MSDC(linear(encoder(a)))                                  (b, f, D), 50 Hz
    h'  = (1 + γ(prosody)) ⊙ h_s + β(prosody)                       FiLM
    c_coarse, c_fine = linear(pool_1.0 s(h_s)), linear(pool_0.25 s(h_s))     12.5 Hz
    c_e = linear(pool_0.1 s(h'))                                    25 Hz
    o_i = MHCA(c_i; H_i),  H = (h_s, h', h')                        Eq. 1-2, then feed-forward
    f_h = upsample(linear([o_coarse, o_fine])),  f_e = o_e          (b, t, D), 25 Hz

Queries and keys have rotary positions of their time in seconds, which aligns tokens of different
strides (R).

Causal mode (R). In a clip that `causal` marks, feature t of either path depends on the speech
frames up to 2 t + 1, its own last, and on none after them: filters and statistics are the causal
ones of layers/convolution.py, a token of expression pools and attends up to the end of its cell,
and one of the head up to the first motion frame that reads it.
"""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.audio.timebase import SPEECH_FRAMES_PER_MOTION_FRAME, SPEECH_RATE_HZ
from ksdiff_jax.layers.attention import Attention, FeedForward
from ksdiff_jax.layers.convolution import (
    DepthwiseConvolution,
    MaskedGroupNorm,
    token_times,
    upsample_linear,
    window_pool,
)
from ksdiff_jax.layers.dense import Dense, JoinedDense
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.layer_norm import LayerNorm
from ksdiff_jax.layers.remat import rematerialise
from ksdiff_jax.models.ksdiff.config import ModelConfig
from ksdiff_jax.typing import Array, Bool, Float


class PathFeatures(NamedTuple):
    """Speech features of the two paths at the motion rate."""

    expression: Float[Array, "b t d"]
    head: Float[Array, "b t d"]


class MultiScaleDilatedConvolution(nn.Module):
    """MSDC: parallel dilated depthwise convolutions with GroupNorm and GLU, combined by one
    projection, with a residual connection.
    """

    config: ModelConfig
    execution: Execution = Execution()

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b f d"],
        mask: Bool[Array, "b f"],
        *,
        deterministic: bool,
        causal: Bool[Array, "b"] | None = None,
    ) -> Float[Array, "b f d"]:
        paths = self.config.speech_paths
        branches = []
        for dilation in paths.dilations:
            name = f"dilation_{dilation}"
            wide = DepthwiseConvolution(
                paths.kernel_size,
                dilation=dilation,
                multiplier=2,
                dtype=self.execution.dtype,
                name=f"{name}_depthwise",
            )(x, mask, causal=causal)
            wide = MaskedGroupNorm(paths.groups, dtype=self.execution.dtype, name=f"{name}_norm")(
                wide, mask, causal=causal
            )
            gated = nn.glu(wide, axis=-1)
            branches.append(
                Dense(self.config.width, dtype=self.execution.dtype, name=f"{name}_pointwise")(
                    gated
                )
            )
        fused = JoinedDense(self.config.width, dtype=self.execution.dtype, name="fuse")(*branches)
        return x + nn.Dropout(self.config.dropout)(fused, deterministic=deterministic)


class ScaleBranch(nn.Module):
    """One scale: pools `source` with a window of `window_s` seconds, then attends to `memory`
    (pre-norm, residual attention and FFN).

    It returns the tokens at one per `stride` speech frames, and their mask. In a causal clip, token
    n depends on speech frames up to n · `stride` + `last_frame(stride)`.
    """

    config: ModelConfig
    window_s: float
    stride: int
    execution: Execution = Execution()

    @nn.compact
    def __call__(
        self,
        source: Float[Array, "b f d"],
        memory: Float[Array, "b f d"],
        mask: Bool[Array, "b f"],
        *,
        deterministic: bool,
        causal: Bool[Array, "b"] | None = None,
    ) -> tuple[Float[Array, "b n d"], Bool[Array, "b n"]]:
        config, width = self.config, self.config.width
        size = {"window": round(self.window_s * SPEECH_RATE_HZ), "stride": self.stride}
        pooled, token_mask = window_pool(source, mask, **size)
        if causal is not None:
            past, _ = window_pool(source, mask, **size, last=last_frame(self.stride))
            pooled = jnp.where(causal[:, None, None], past, pooled)
        tokens = Dense(width, dtype=self.execution.dtype, name="pooled")(pooled)

        query_s = token_times(tokens.shape[1], stride=self.stride, rate_hz=SPEECH_RATE_HZ)
        key_s = token_times(memory.shape[1], stride=1, rate_hz=SPEECH_RATE_HZ)
        visible = mask[:, None, None, :]
        if config.speech_paths.context_s > 0:
            near = jnp.abs(query_s[:, None] - key_s[None]) <= config.speech_paths.context_s
            visible = visible & near[None, None]
        if causal is not None:
            known = np.maximum(
                np.arange(tokens.shape[1]) * self.stride + last_frame(self.stride), 0
            )
            past = np.arange(memory.shape[1]) <= known[:, None]
            visible = visible & (past[None, None] | ~causal[:, None, None, None])

        def dropped(x: Array) -> Array:
            return nn.Dropout(config.dropout)(x, deterministic=deterministic)

        attention = Attention(width, config.heads, execution=self.execution, name="attention")
        normed = LayerNorm(dtype=self.execution.dtype, name="norm_memory")(memory)
        query = LayerNorm(dtype=self.execution.dtype, name="norm_attention")(tokens)
        answer = attention(query, attention.project(normed, key_s), time_s=query_s, mask=visible)
        tokens = tokens + dropped(answer)
        hidden = LayerNorm(dtype=self.execution.dtype, name="norm_feed_forward")(tokens)
        tokens = tokens + dropped(
            FeedForward(width, config.ffn_ratio, dtype=self.execution.dtype, name="feed_forward")(
                hidden
            )
        )
        return tokens, token_mask


class SpeechPaths(nn.Module):
    """DPSE from encoder features at 50 Hz to `PathFeatures` at 25 Hz; its ablations are fields of
    `config.speech_paths`.
    """

    config: ModelConfig
    execution: Execution = Execution()

    @nn.compact
    def __call__(
        self,
        features: Float[Array, "b f n"],
        prosody: Float[Array, "b f 2"],
        mask: Bool[Array, "b f"],
        *,
        deterministic: bool,
        causal: Bool[Array, "b"] | None = None,
    ) -> PathFeatures:
        paths, width = self.config.speech_paths, self.config.width
        projected = Dense(width, dtype=self.execution.dtype, name="adapt")(features)
        if not paths.refine:
            plain, _ = window_pool(
                projected,
                mask,
                window=SPEECH_FRAMES_PER_MOTION_FRAME,
                stride=SPEECH_FRAMES_PER_MOTION_FRAME,
            )
            return PathFeatures(expression=plain, head=plain)

        hidden = MultiScaleDilatedConvolution(self.config, self.execution, name="msdc")(
            projected, mask, deterministic=deterministic, causal=causal
        )
        modulated = self._film(hidden, prosody) if paths.prosody else hidden

        def branch(name: str, window_s: float, stride: int, *inputs: Array) -> tuple[Array, Array]:
            def ask(layer: ScaleBranch, *inputs: Array) -> tuple[Array, Array]:
                return layer(*inputs, mask, deterministic=deterministic, causal=causal)

            layer = ScaleBranch(self.config, window_s, stride, self.execution, name=name)
            return rematerialise(self.execution.remat, ask, layer, *inputs)

        coarse, coarse_mask = branch(
            "coarse", paths.coarse_window_s, paths.head_stride, hidden, hidden
        )
        fine, _ = branch("fine", paths.fine_window_s, paths.head_stride, hidden, modulated)
        expression, _ = branch(
            "expression", paths.expression_window_s, paths.expression_stride, modulated, modulated
        )
        slow = JoinedDense(width, dtype=self.execution.dtype, name="head")(coarse, fine)
        head = self._at_motion_rate(
            slow, coarse_mask, stride=paths.head_stride, frames=features.shape[1]
        )
        head = LayerNorm(dtype=self.execution.dtype, name="norm_head")(head)
        expression = LayerNorm(dtype=self.execution.dtype, name="norm_expression")(expression)
        if not paths.split:
            shared = JoinedDense(width, dtype=self.execution.dtype, name="shared")(head, expression)
            return PathFeatures(expression=shared, head=shared)
        return PathFeatures(expression=expression, head=head)

    def _film(
        self, hidden: Float[Array, "b f d"], prosody: Float[Array, "b f 2"]
    ) -> Float[Array, "b f d"]:
        """Return h' = (1 + γ) ⊙ h_s + β. γ and β start near zero, so training starts from
        unmodulated speech features.
        """
        prosody = prosody.astype(self.execution.dtype)
        settings = {"kernel_init": nn.initializers.normal(0.02), "dtype": self.execution.dtype}
        scale = Dense(self.config.width, name="film_scale", **settings)(prosody)
        shift = Dense(self.config.width, name="film_shift", **settings)(prosody)
        return (1 + scale) * hidden + shift

    def _at_motion_rate(
        self, tokens: Float[Array, "b n d"], mask: Bool[Array, "b n"], *, stride: int, frames: int
    ) -> Float[Array, "b t d"]:
        motion_frames = frames // SPEECH_FRAMES_PER_MOTION_FRAME
        at_s = token_times(
            motion_frames, stride=SPEECH_FRAMES_PER_MOTION_FRAME, rate_hz=SPEECH_RATE_HZ
        )
        return upsample_linear(
            tokens, mask, token_times(tokens.shape[1], stride=stride, rate_hz=SPEECH_RATE_HZ), at_s
        )


def last_frame(stride: int) -> int:
    """Return up to which speech frame after the first of its cell a token may depend on speech, so
    that no motion frame that reads it depends on a later speech frame than its own last.

    Motion frame t reads the tokens on both sides of its middle (`upsample_linear`).
    """
    per_frame = SPEECH_FRAMES_PER_MOTION_FRAME
    own_last = per_frame * np.arange(1, stride + 2) - 1
    position = np.maximum((own_last - (per_frame - 1) / 2 - (stride - 1) / 2) / stride, 0)
    return int(np.min(own_last - stride * np.ceil(position)))
