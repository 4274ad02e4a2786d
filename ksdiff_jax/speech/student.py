"""Our own small encoder as a Linen module: samples (b, s) -> features (b, f, d) at 50 Hz, causal
but for a fixed look-ahead.

    y_i = two log-mel frames of 25 ms, at 320 i and 320 i + 160; 0 beyond the sound   (b, f + a, 2m)
    x = W y
    x = x + feed-forward(norm(convolution(x)))     num_layers times; frames i - k + 1 .. i
    x = x + attention(norm(x))                     attention_layers times, between them
    features_i = norm(x)_{i + a}                   a = ahead_frames

All layers are causal, and the features are taken a frames late. A frame therefore depends on sound
up to 320 (i + a) + 360 samples and on `past_frames` before it, and on nothing else: padding, other
clips of a batch and windows change nothing, and the features of the beginning of a recording are
those of the whole. No statistic of a recording is used. The log-mel values are those of Whisper
(`whisper_mel`) with a fixed floor of -8 decades in place of one below the loudest.

Attention has a learned bias for each distance and no other position, so a frame has the same
features wherever a window begins.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from ksdiff_jax.audio.timebase import SAMPLES_PER_SPEECH_FRAME
from ksdiff_jax.layers.attention import Attention, FeedForward
from ksdiff_jax.layers.dense import Dense
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.kernels.depthwise import depthwise
from ksdiff_jax.layers.layer_norm import LayerNorm
from ksdiff_jax.speech.config import StudentEncoderConfig
from ksdiff_jax.speech.whisper_mel import EDGE, decades
from ksdiff_jax.typing import Array, Bool, Float, Int

FLOOR = -8.0  # decades
_FARTHEST = -4.0  # initial bias of the most distant frame of the first head


class StudentEncoder(nn.Module):
    """The encoder; a system trains its parameters, or they are read from the checkpoint of one."""

    config: StudentEncoderConfig
    execution: Execution = Execution()

    def setup(self) -> None:
        config, dtype = self.config, self.execution.dtype
        # The bias is not 0: the norm of frames of zeros has derivatives that overflow float32.
        self.project = Dense(config.hidden_size, dtype=dtype, bias_init=nn.initializers.normal(0.1))
        self.blocks = [Block(config, dtype=dtype) for _ in range(config.num_layers)]
        self.attention = [
            CausalAttention(config, self.execution) for _ in range(config.attention_layers)
        ]
        self.norm = LayerNorm(dtype=jnp.float32)

    def __call__(
        self, audio: Float[Array, "b s"], mask: Bool[Array, "b f"] | None = None
    ) -> Float[Array, "b f d"]:
        """Return the features, f = s // 320; `mask` marks frames with sound."""
        return self.hidden_states(audio, mask)[-1]

    def hidden_states(
        self, audio: Float[Array, "b s"], mask: Bool[Array, "b f"] | None = None
    ) -> tuple[Float[Array, "b f d"], ...]:
        """Return the input of the first block and the output of each, the last one after the norm,
        num_layers + 1 in all, f = s // 320.
        """
        config, dtype = self.config, self.execution.dtype
        x = self.project(frames_of(audio, mask, config=config).astype(dtype))
        states, places = [x], attention_places(config)
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in places:
                x = self.attention[places.index(index)](x)
            states.append(x)
        states[-1] = self.norm(x).astype(dtype)
        return tuple(state[:, config.ahead_frames :] for state in states)


class Block(nn.Module):
    """A causal depthwise convolution, and a feed-forward layer of its norm, beside the input."""

    config: StudentEncoderConfig
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        config, channels = self.config, x.shape[-1]
        shape = (config.kernel_size, channels)
        initial = nn.initializers.lecun_normal(in_axis=0, out_axis=1)
        kernel = self.param("kernel", initial, shape).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (channels,)).astype(self.dtype)
        # `depthwise` is centred: half a kernel of zeros before the sound makes it causal.
        late = jnp.pad(x, ((0, 0), (config.kernel_size // 2, 0), (0, 0)))
        local = depthwise(late, kernel, 1)[:, : x.shape[1]] + bias
        local = LayerNorm(dtype=self.dtype, name="norm")(local)
        return x + FeedForward(channels, config.ffn_ratio, dtype=self.dtype, name="mix")(local)


class CausalAttention(nn.Module):
    """Attention of a frame to itself and the `window_frames` - 1 before it, beside the input."""

    config: StudentEncoderConfig
    execution: Execution = Execution()

    @nn.compact
    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        config, frames, window = self.config, x.shape[1], self.config.window_frames
        y = LayerNorm(dtype=self.execution.dtype, name="norm")(x)
        attention = Attention(
            config.hidden_size, config.num_heads, self.execution, name="attention"
        )
        by_distance = self.param("distance", _fading, (config.num_heads, window))
        by_distance = by_distance.astype(jnp.float32)
        if frames <= 2 * window:
            seen = _near(np.arange(frames), window=window)[None, None]
            bias = of_pairs(by_distance, frames)
            return x + attention(y, attention.project(y), mask=jnp.asarray(seen), bias=bias)
        # Of a long input, blocks of one window each attend to themselves and the block before.
        y = jnp.pad(y, ((0, 0), (0, -frames % window), (0, 0)))
        memory = jax.tree.map(lambda values: in_blocks(values, window), attention.project(y))
        queries = y.reshape(-1, window, y.shape[-1])
        seen = np.tile(_near(np.arange(2 * window), window=window)[window:], (len(queries), 1, 1))
        seen[:: y.shape[1] // window, :, :window] = False  # nothing is before the first block
        bias = of_pairs(by_distance, 2 * window)[:, window:]
        out = attention(queries, memory, mask=jnp.asarray(seen)[:, None], bias=bias)
        return x + out.reshape(y.shape)[:, :frames]


def frames_of(
    audio: Float[Array, "b s"], mask: Bool[Array, "b f"] | None, *, config: StudentEncoderConfig
) -> Float[Array, "b n c"]:
    """Return two log-mel frames for each of f frames of 20 ms and, behind them, `ahead_frames` of
    zeros; 0 too where `mask` is False.
    """
    hop, batch = SAMPLES_PER_SPEECH_FRAME, audio.shape[0]
    frames = audio.shape[1] // hop
    audio = audio[:, : frames * hop].astype(jnp.float32)
    if mask is not None:
        sound = jnp.repeat(mask, hop, axis=1)
        audio = jnp.where(sound, audio, 0.0)
    y = decades(jnp.pad(audio, ((0, 0), (EDGE, EDGE))), bands=config.mel_bands)[:, : 2 * frames]
    y = ((jnp.maximum(y, FLOOR) + 4.0) / 4.0).reshape(batch, frames, 2 * config.mel_bands)
    if mask is not None:
        y = jnp.where(mask[..., None], y, 0.0)
    return jnp.pad(y, ((0, 0), (0, config.ahead_frames), (0, 0)))


def attention_places(config: StudentEncoderConfig) -> list[int]:
    """Return the index of the block before each layer of attention: of 8 blocks and 2 layers, 2 and
    6.
    """
    count = config.attention_layers
    return [(2 * place + 1) * config.num_layers // (2 * count) for place in range(count)]


def in_blocks(values: Float[Array, "b n *d"], window: int) -> Float[Array, "c w2 *d"]:
    """Return each block of `window` frames behind the one before it, c = b n / window blocks of 2
    window frames; zeros are before the first.
    """
    own = values.reshape(values.shape[0], -1, window, *values.shape[2:])
    before = jnp.pad(own[:, :-1], ((0, 0), (1, 0), (0, 0)) + ((0, 0),) * (values.ndim - 2))
    both = jnp.concatenate([before, own], axis=2)
    return both.reshape(-1, 2 * window, *values.shape[2:])


def _near(frame: Int[np.ndarray, "n"], *, window: int) -> Bool[np.ndarray, "n n"]:
    """Return whether frame j is i or one of the `window` - 1 before it."""
    distance = frame[:, None] - frame
    return (distance >= 0) & (distance < window)


def of_pairs(by_distance: Float[Array, "h w"], frames: int) -> Float[Array, "h n n"]:
    """Return at (i, j) the value of the distance i - j; 0 where there is none.

    The row of all distances, frames - 1 to -(frames - 1), is laid out once more for each i, one
    place shorter, so that it is shifted by one each time: slices instead of a gather.
    """
    heads, window = by_distance.shape
    known = min(window, frames)
    before = jnp.zeros((heads, frames - known))
    row = jnp.concatenate([before, by_distance[:, :known][:, ::-1]], axis=1)
    row = jnp.concatenate([row, jnp.zeros((heads, frames))], axis=1)  # (h, 2n)
    rows = jnp.tile(row, (1, frames))[:, : frames * (2 * frames - 1)]
    return rows.reshape(heads, frames, 2 * frames - 1)[:, :, frames - 1 :]


def _fading(key: Array, shape: tuple[int, int], dtype: DTypeLike = jnp.float32) -> Array:
    """Return biases that fall with distance, less so from head to head; the last has none."""
    heads, window = shape
    share = 1.0 - jnp.arange(heads) / max(heads - 1, 1)
    return (share[:, None] * jnp.linspace(0.0, _FARTHEST, window)).astype(dtype)
