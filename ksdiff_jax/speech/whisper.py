"""Whisper's encoder as a Linen module (Radford et al. 2022, §2.2): samples (b, s) -> features
(b, f, d) at 50 Hz.

    y = log-mel frames of the sound and a second of silence    (b, 2 n, bands), 100 Hz
    x = gelu(conv_1(gelu(conv_0(y)))) + positions              (b, n, d), 50 Hz
    x = layer(x), num_layers times;  norm(x)                   attention, feed-forward; pre-norm

Frame i is centred on sample 320 i. The original always reads 30 s, most of it silence. Here a
recording is read at its own length, f = s // 320 frames, with one second of silence behind it; no
feature of the silence is returned. `states` is the original's own function of log-mel frames.

Padding. With a mask, only the frames of a row and of its second of silence enter convolutions and
attention, so that a recording has the same features in a padded batch as alone.

Length. There are positions for 30 s. A longer recording is read in windows of that length, which
share 6 s; of what two windows share, each gives the half that is nearer to its middle. Windows
begin at the same instants whatever the length, and the maximum of the log-mel frames is that of
the whole recording.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from ksdiff_jax.audio.timebase import SAMPLES_PER_SPEECH_FRAME
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.stack import apply_layers
from ksdiff_jax.speech.config import WhisperEncoderConfig
from ksdiff_jax.speech.front_end import ACTIVATIONS, StridedConvolution
from ksdiff_jax.speech.transformer_layer import EncoderLayer, States
from ksdiff_jax.speech.whisper_mel import decades, mirrored, normalised
from ksdiff_jax.typing import Array, Bool, Float, Int

SILENCE_FRAMES = 50  # behind a recording: one second
SHARED_FRAMES = 300  # of neighbouring windows: 6 s


class WhisperEncoder(nn.Module):
    """Whisper's encoder; `speech.convert` fills its parameters."""

    config: WhisperEncoderConfig
    execution: Execution = Execution()

    def setup(self) -> None:
        config, dtype = self.config, self.execution.dtype
        width = config.hidden_size
        self.convolution_0 = StridedConvolution(width, 3, 1, use_bias=True, dtype=dtype)
        self.convolution_1 = StridedConvolution(width, 3, 2, use_bias=True, dtype=dtype)
        self.positions = self.param(
            "positions", nn.initializers.normal(0.02), (config.positions, width)
        )
        self.layers = [EncoderLayer(config, dtype=dtype) for _ in range(config.num_layers)]
        self.norm = nn.LayerNorm(epsilon=config.layer_norm_eps, dtype=jnp.float32)

    def __call__(
        self, audio: Float[Array, "b s"], mask: Bool[Array, "b f"] | None = None
    ) -> Float[Array, "b f d"]:
        """Return the last hidden state, f = s // 320; `mask` marks frames with sound."""
        return self._states_at_50_hz(audio, mask).last

    def hidden_states(
        self, audio: Float[Array, "b s"], mask: Bool[Array, "b f"] | None = None
    ) -> tuple[Float[Array, "b f d"], ...]:
        """Return the input of the first layer and the output of each, the last one after the norm,
        num_layers + 1 in all, f = s // 320.
        """
        return self._states_at_50_hz(audio, mask).hidden

    def states(
        self, mel: Float[Array, "b m bands"], *, valid: Int[Array, "b"] | None = None
    ) -> States:
        """Return the original's output for normalised log-mel frames, at n = m // 2 frames.

        Only the first `valid` of the n frames of a row exist for the others.
        """
        mask = None
        if valid is not None:
            mask = jnp.arange(mel.shape[1] // 2) < valid[:, None]
            inside = jnp.arange(mel.shape[1]) < 2 * valid[:, None]
            mel = jnp.where(inside[..., None], mel, 0.0)  # as beyond the edge of the convolution
        activation = ACTIVATIONS[self.config.activation]
        x = mel.astype(self.execution.dtype)
        for convolution in (self.convolution_0, self.convolution_1):
            x = activation(convolution(jnp.pad(x, ((0, 0), (1, 1), (0, 0)))))
        x = x + self.positions[: x.shape[1]].astype(x.dtype)

        def apply(layer: EncoderLayer, x: Array, _: None) -> Array:
            return layer(x, mask=mask, position_bias=None)

        *outputs, end = apply_layers(self.layers, apply, x, execution=self.execution)
        last = self.norm(end).astype(self.execution.dtype)
        return States(last, (x, *outputs, last))

    def _states_at_50_hz(
        self, audio: Float[Array, "b s"], mask: Bool[Array, "b f"] | None
    ) -> States:
        hop, batch = SAMPLES_PER_SPEECH_FRAME, audio.shape[0]
        frames = audio.shape[1] // hop
        audio = audio[:, : frames * hop].astype(jnp.float32)
        sound = None if mask is None else mask.sum(axis=1)
        if sound is not None:
            audio = jnp.where(jnp.arange(frames * hop) < hop * sound[:, None], audio, 0.0)
        padded = mirrored(audio, silence=hop * SILENCE_FRAMES)
        y = decades(padded, bands=self.config.mel_bands)[:, : 2 * (frames + SILENCE_FRAMES)]
        mel = normalised(y, y.max(axis=(1, 2)))
        windows = plan_windows(frames, longest=self.config.positions)
        if len(windows) == 1:
            valid = None if sound is None else sound + SILENCE_FRAMES
            return jax.tree.map(lambda state: state[:, :frames], self.states(mel, valid=valid))
        end = jnp.full(batch, frames) if sound is None else sound
        length = self.config.positions
        over = max(0, 2 * (windows[-1][0] + length) - mel.shape[1])
        mel = jnp.pad(mel, ((0, 0), (0, over), (0, 0)))
        cuts = jnp.concatenate([mel[:, 2 * at : 2 * (at + length)] for at, _ in windows])
        valid = jnp.concatenate([end + SILENCE_FRAMES - at for at, _ in windows])
        states = self.states(cuts, valid=valid.clip(0, length))
        return jax.tree.map(lambda state: _joined(state, windows, batch), states)


def plan_windows(frames: int, *, longest: int) -> list[tuple[int, slice]]:
    """Return (first frame, the recording's frames to take of it) of every window of `longest`
    frames over a recording of `frames` and the silence behind it.
    """
    if frames + SILENCE_FRAMES <= longest:
        return [(0, slice(0, frames))]
    shared = min(SHARED_FRAMES, longest // 2)
    step, margin = longest - shared, shared // 2
    count = 1 + -(-(frames + SILENCE_FRAMES - longest) // step)
    starts = [step * index for index in range(count)]
    edges = [0, *(start + margin for start in starts[1:]), frames]
    return [
        (start, slice(min(first, frames), min(last, frames)))
        for start, first, last in zip(starts, edges[:-1], edges[1:], strict=True)
    ]


def _joined(
    state: Float[Array, "w n d"], windows: list[tuple[int, slice]], batch: int
) -> Float[Array, "b f d"]:
    """Return the recordings' frames from those of their windows, which are window after window."""
    parts = jnp.split(state, len(windows))
    return jnp.concatenate(
        [
            part[:, keep.start - at : keep.stop - at]
            for part, (at, keep) in zip(parts, windows, strict=True)
        ],
        axis=1,
    )
