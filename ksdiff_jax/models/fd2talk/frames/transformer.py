"""The transformer of a UNet block: φ₁ attends to the motion, φ₂ to the reference (Eq. 6-7).

    J = J + self-attention(norm(J))                       at some levels, as in latent diffusion
    m₁ = J + φ₁(Q = norm(J), K, V = {β, p} projected)                                      (Eq. 6)
    m₂ = m₁ + φ₂(Q = norm(m₁) + position, K, V = x as a sequence with positions)           (Eq. 7)
    m₂ + feed-forward(norm(m₂))                                                            GEGLU

Residual connections, norms, feed-forward and the projections around them are those of latent
diffusion's spatial transformer. Positions of pixels are also given to the queries of φ₂ (R).
"""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from ksdiff_jax.layers.attention import Attention, KeysValues
from ksdiff_jax.layers.dense import Dense
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.layer_norm import LayerNorm
from ksdiff_jax.layers.position import sinusoid
from ksdiff_jax.models.fd2talk.frames.layout import UNetConfig
from ksdiff_jax.pictures.blocks import GroupNorm
from ksdiff_jax.typing import Array, Float

_EPSILON = 1e-6  # of the norm of latent diffusion's transformer
_LAYER_EPSILON = 1e-5


class Conditions(NamedTuple):
    """Tokens that every block attends to. One reference may serve several frames: r divides b, and
    the frames of a reference are neighbours.
    """

    motion: Float[Array, "b n d"]
    reference: Float[Array, "r k d"]

    def joined(self) -> Float[Array, "b k2 d"]:
        """Return all tokens of a frame in one sequence."""
        frames = len(self.motion) // len(self.reference)
        reference = jnp.repeat(self.reference, frames, axis=0)
        return jnp.concatenate([self.motion, reference], axis=1)


Memories = tuple[KeysValues, ...]  # of φ₁ and φ₂; of one attention if conditions are concatenated


class GegluFeedForward(nn.Module):
    """Two dense layers, with a gated GELU between them (Shazeer 2020)."""

    width: int
    ratio: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
        up = Dense(2 * self.ratio * self.width, dtype=self.dtype, name="up")(x)
        value, gate = jnp.split(up, 2, axis=-1)
        gated = value * nn.gelu(gate, approximate=False)
        return Dense(self.width, dtype=self.dtype, name="down")(gated)


class SpatialTransformer(nn.Module):
    """The equations of this module over the pixels of a feature map."""

    config: UNetConfig
    width: int
    self_attends: bool
    execution: Execution = Execution()

    def setup(self) -> None:
        config, dtype = self.config, self.execution.dtype

        def attention() -> Attention:
            return Attention(self.width, self.width // config.head_width, self.execution)

        def layer_norm() -> LayerNorm:
            return LayerNorm(_LAYER_EPSILON, dtype=dtype)

        self.norm = GroupNorm(config.groups, _EPSILON, dtype)
        self.proj_in = Dense(self.width, dtype=dtype)
        if self.self_attends:
            self.norm_self, self.self_attention = layer_norm(), attention()
        if config.decoupled:
            self.norm_motion, self.motion_attention = layer_norm(), attention()
            self.norm_reference, self.reference_attention = layer_norm(), attention()
            self.query_position = Dense(self.width, use_bias=False, dtype=dtype)
        else:
            self.norm_joined, self.joined_attention = layer_norm(), attention()
        self.norm_ffn = layer_norm()
        self.ffn = GegluFeedForward(self.width, config.ffn_ratio, dtype)
        self.proj_out = Dense(self.width, kernel_init=nn.initializers.zeros, dtype=dtype)

    def memories(self, conditions: Conditions) -> Memories:
        """Return the keys and values of the conditions, which no diffusion step changes."""
        if not self.config.decoupled:
            return (self.joined_attention.project(conditions.joined()),)
        motion = self.motion_attention.project(conditions.motion)
        return motion, self.reference_attention.project(conditions.reference)

    def __call__(self, x: Float[Array, "b h w c"], memories: Memories) -> Float[Array, "b h w c"]:
        tokens = self.proj_in(self.norm(x).reshape(len(x), -1, self.width))
        if self.self_attends:
            normed = self.norm_self(tokens)
            memory = self.self_attention.project(normed)
            tokens = tokens + self.self_attention(normed, memory)
        if self.config.decoupled:
            motion, reference = memories
            tokens = tokens + self.motion_attention(self.norm_motion(tokens), motion)
            place = positions(*x.shape[1:3], width=self.config.context_width)
            place = self.query_position(place.astype(self.execution.dtype))
            queries = self.norm_reference(tokens) + place
            # The frames of a reference are one long sequence: its keys are stored once.
            shared = queries.reshape(len(reference.keys), -1, self.width)
            answer = self.reference_attention(shared, reference)
            tokens = tokens + answer.reshape(tokens.shape)
        else:
            tokens = tokens + self.joined_attention(self.norm_joined(tokens), memories[0])
        tokens = tokens + self.ffn(self.norm_ffn(tokens))
        return x + self.proj_out(tokens).reshape(x.shape)


def positions(height: int, width_px: int, *, width: int) -> Float[Array, "n d"]:
    """Return the sinusoids of the row and of the column of every pixel, (h · w, width).

    Pixels are numbered from 0 to 100 along each side, so that the same place has the same position
    at every resolution (R).
    """
    row, column = ((np.arange(side) + 0.5) * 100 / side for side in (height, width_px))
    grid = np.stack(np.meshgrid(row, column, indexing="ij"), axis=-1).reshape(-1, 2)
    half = sinusoid(grid.astype(np.float32), width=width // 2)
    return half.reshape(len(grid), width)
