"""Wav2Vec 2.0, HuBERT and WavLM as one Linen module: samples (b, s) -> features (b, f, d).

    z = front end(audio)                                (b, n, 512)  convolutions, see `front_end`
    x = W norm(z)                                       (b, n, d)
    x = norm(x + activation(grouped convolution of x))  positions; the norm comes last if pre-norm
    x = layer(x), num_layers times                      attention, feed-forward; post- or pre-norm

The three models differ in two points: HuBERT may omit the norm before W, and WavLM adds a gated
relative position bias to the attention (`relative_positions`). Dropout, layer drop and masking,
which the originals use in training, are omitted.

Frames. The originals return n = (s - 400) // 320 + 1 frames (`states`). Ours are f = s // 320
(`__call__`, `hidden_states`): with 40 zeros before and after the sound, frame i depends on samples
320 i - 40 to 320 i + 360, centred on its own 320 samples.

Padding. With a mask, only valid frames enter the convolutions, the norms and the attention, so a
recording has the same features in a padded batch as alone. The originals' base models take no mask,
and padding changes their features.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from ksdiff_jax.layers.dense import Dense
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.stack import apply_layers
from ksdiff_jax.speech.config import PretrainedEncoderConfig
from ksdiff_jax.speech.front_end import FrontEnd, Moments, hop_samples, receptive_field
from ksdiff_jax.speech.positional_convolution import PositionalConvolution
from ksdiff_jax.speech.relative_positions import RelativePositions
from ksdiff_jax.speech.transformer_layer import EncoderLayer, States
from ksdiff_jax.typing import Array, Bool, Float, Int

NORMALISATION_EPS = 1e-7  # of the originals' feature extractor


class PretrainedEncoder(nn.Module):
    """A pretrained speech encoder; `speech.convert` fills its parameters."""

    config: PretrainedEncoderConfig
    execution: Execution = Execution()

    def setup(self) -> None:
        config, dtype = self.config, self.execution.dtype
        self.front_end = FrontEnd(config, dtype=dtype)
        if config.projection_norm:
            self.projection_norm = nn.LayerNorm(epsilon=config.layer_norm_eps, dtype=jnp.float32)
        self.projection = Dense(config.hidden_size, dtype=dtype)
        self.positions = PositionalConvolution(config, dtype=dtype)
        self.norm = nn.LayerNorm(epsilon=config.layer_norm_eps, dtype=jnp.float32)
        if config.architecture == "wavlm":
            self.relative_positions = RelativePositions(
                config.num_heads, config.relative_buckets, config.relative_max_distance
            )
        self.layers = [EncoderLayer(config, dtype=dtype) for _ in range(config.num_layers)]

    def __call__(
        self, audio: Float[Array, "b s"], mask: Bool[Array, "b f"] | None = None
    ) -> Float[Array, "b f d"]:
        """Return the last hidden state, f = s // 320; `mask` marks frames with sound."""
        return self._states_at_50_hz(audio, mask).last

    def hidden_states(
        self, audio: Float[Array, "b s"], mask: Bool[Array, "b f"] | None = None
    ) -> tuple[Float[Array, "b f d"], ...]:
        """Return the input of the first layer and the output of each, num_layers + 1 in all, f = s
        // 320.
        """
        return self._states_at_50_hz(audio, mask).hidden

    def states(
        self,
        audio: Float[Array, "b s"],
        *,
        valid_samples: Int[Array, "b"] | None = None,
        moments: Moments | None = None,
    ) -> States:
        """Return the original's output for its own input values, at its own n = (s - 400) // 320 +
        1 frames.

        `audio` is normalised beforehand if the model requires it. The first `valid_samples` of each
        row are sound, the rest is padding.
        """
        config = self.config
        first_valid = valid = None
        if valid_samples is not None:
            first_valid = _convolved(
                valid_samples, config.conv_kernels[:1], config.conv_strides[:1]
            )
            valid = _convolved(valid_samples, config.conv_kernels, config.conv_strides)
        x = self.front_end(audio, valid=first_valid, moments=moments)
        if config.projection_norm:
            x = self.projection_norm(x).astype(self.execution.dtype)
        x = self.projection(x)
        mask = None
        if valid is not None:
            mask = jnp.arange(x.shape[1]) < valid[:, None]
            x = jnp.where(mask[..., None], x, 0.0)
        x = x + self.positions(x)
        if not config.stable_layer_norm:
            x = self.norm(x).astype(self.execution.dtype)
        bias = self.relative_positions(x.shape[1]) if config.architecture == "wavlm" else None

        def apply(layer: EncoderLayer, x: Array, _: None) -> Array:
            return layer(x, mask=mask, position_bias=bias)

        hidden = (x, *apply_layers(self.layers, apply, x, execution=self.execution))
        last = (
            self.norm(hidden[-1]).astype(self.execution.dtype)
            if config.stable_layer_norm
            else hidden[-1]
        )
        return States(last, hidden)

    def _states_at_50_hz(
        self, audio: Float[Array, "b s"], mask: Bool[Array, "b f"] | None
    ) -> States:
        """Return `states` of the sound as a recording: normalised if the model requires it, with 40
        zeros on either side.
        """
        hop, field = hop_samples(self.config), receptive_field(self.config)
        samples = None if mask is None else hop * mask.sum(axis=1)
        audio = audio[:, : audio.shape[1] // hop * hop].astype(jnp.float32)
        if self.config.normalise_input:
            audio = normalise(audio, samples)
        edge = (field - hop) // 2
        padded = jnp.pad(audio, ((0, 0), (edge, field - hop - edge)))
        return self.states(padded, valid_samples=None if samples is None else samples + field - hop)


def normalise(
    audio: Float[Array, "b s"], samples: Int[Array, "b"] | None = None
) -> Float[Array, "b s"]:
    """Normalise each recording to mean 0 and variance 1 over its first `samples`; the rest becomes
    zero.
    """
    if samples is None:
        centred = audio - audio.mean(axis=1, keepdims=True)
        return centred * jax.lax.rsqrt(
            jnp.mean(centred**2, axis=1, keepdims=True) + NORMALISATION_EPS
        )
    inside = jnp.arange(audio.shape[1]) < samples[:, None]
    count = jnp.maximum(samples, 1)[:, None].astype(jnp.float32)
    centred = jnp.where(
        inside, audio - jnp.sum(jnp.where(inside, audio, 0.0), axis=1, keepdims=True) / count, 0.0
    )
    return centred * jax.lax.rsqrt(
        jnp.sum(centred**2, axis=1, keepdims=True) / count + NORMALISATION_EPS
    )


def _convolved(
    samples: Int[Array, "b"], kernels: tuple[int, ...], strides: tuple[int, ...]
) -> Int[Array, "b"]:
    """Return the number of frames of convolutions over this many samples; 0 below one kernel."""
    for kernel, stride in zip(kernels, strides, strict=True):
        samples = jnp.maximum((samples - kernel) // stride + 1, 0)
    return samples
