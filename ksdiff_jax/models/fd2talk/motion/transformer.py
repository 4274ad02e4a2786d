"""The Exp and the Pose Transformer θ(x_t, t, A) of §3.2, which share this architecture.

    x = linear(x_t)
    c = [embedding(t) ; A],   τ(c) = linear(c)          one token of the condition per motion frame
    per layer, pre-norm and residual (R):
        x = x + self-attention(norm(x))
        x = x + attention(Q = norm(x), K, V = τ(c)), masked by M                            (Eq. 4)
        x = x + feed-forward(norm(x))
    x̂₀ = linear(norm(x)), zero at the start of training

M is True where |i − j| <= k, for frame i of the motion and frame j of the condition. Positions are
rotary in both attentions (R): without them a frame could not distinguish the 2 k + 1 frames of
speech that it attends to.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.layers.attention import Attention, FeedForward
from ksdiff_jax.layers.dense import Dense, JoinedDense
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.layer_norm import LayerNorm
from ksdiff_jax.layers.position import alignment_mask, sinusoid
from ksdiff_jax.layers.stack import apply_layers
from ksdiff_jax.models.fd2talk.motion.config import ModelConfig
from ksdiff_jax.typing import Array, Bool, Float, Int


class Layer(nn.Module):
    """One layer: self-attention, cross-attention to the condition, feed-forward."""

    config: ModelConfig
    execution: Execution = Execution()

    def setup(self) -> None:
        config, dtype = self.config, self.execution.dtype
        self.norm_self = LayerNorm(dtype=dtype)
        self.self_attention = Attention(config.width, config.heads, self.execution)
        self.norm_cross = LayerNorm(dtype=dtype)
        self.cross_attention = Attention(config.width, config.heads, self.execution)
        self.norm_ffn = LayerNorm(dtype=dtype)
        self.ffn = FeedForward(config.width, ratio=config.ffn_ratio, dtype=dtype)

    def __call__(
        self,
        x: Float[Array, "b t d"],
        condition: Float[Array, "b t d"],
        *,
        valid: Bool[Array, "b 1 1 t"],
        aligned: Bool[Array, "b 1 t2 t"],
    ) -> Float[Array, "b t d"]:
        time_s = (np.arange(x.shape[1]) / MOTION_RATE_HZ).astype(np.float32)
        normed = self.norm_self(x)
        memory = self.self_attention.project(normed, time_s)
        x = x + self.self_attention(normed, memory, time_s=time_s, mask=valid)
        memory = self.cross_attention.project(condition, time_s)
        x = x + self.cross_attention(self.norm_cross(x), memory, time_s=time_s, mask=aligned)
        return x + self.ffn(self.norm_ffn(x))


class MotionTransformer(nn.Module):
    """θ_exp or θ_pose: clean coefficients from noisy ones, the diffusion step and speech."""

    config: ModelConfig
    channels: int
    execution: Execution = Execution()

    def setup(self) -> None:
        config, dtype = self.config, self.execution.dtype
        self.input = Dense(config.width, dtype=dtype)
        self.step_embedding = FeedForward(config.width, ratio=1, dtype=dtype)
        self.condition = JoinedDense(config.width, dtype=dtype)
        self.layers = [Layer(config, self.execution) for _ in range(config.layers)]
        self.norm_out = LayerNorm(dtype=dtype)
        self.output = Dense(self.channels, kernel_init=nn.initializers.zeros, dtype=jnp.float32)

    def __call__(
        self,
        noisy: Float[Array, "b t c"],
        step: Int[Array, "b"],
        speech: Float[Array, "b t a"],
        *,
        mask: Bool[Array, "b t"],
    ) -> Float[Array, "b t c"]:
        """Return x̂₀ for coefficients at diffusion step `step`."""
        config, dtype = self.config, self.execution.dtype
        stepped = self.step_embedding(sinusoid(step, width=config.width).astype(dtype))
        spread = jnp.broadcast_to(stepped[:, None], (*mask.shape, config.width))
        condition = self.condition(spread, speech.astype(dtype))
        valid = mask[:, None, None]
        frame = jnp.arange(mask.shape[1])
        near = alignment_mask(frame, frame, reach=config.reach_frames)
        aligned = valid & near if config.alignment else valid
        x = nn.with_logical_constraint(self.input(noisy.astype(dtype)), ("batch", "time", "width"))

        def apply(layer: Layer, x: Array, _: None) -> Array:
            x = layer(x, condition, valid=valid, aligned=aligned)
            return nn.with_logical_constraint(x, ("batch", "time", "width"))

        x = apply_layers(self.layers, apply, x, execution=self.execution)[-1]
        return self.output(self.norm_out(x))
