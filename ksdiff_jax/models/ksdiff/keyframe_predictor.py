"""Keyframe Establishment Learning, KEL (KSDiff §2.2): a causal Transformer decoder that places
keyframes one by one.

The input at frame t is the embedding of the previous keyframe bit (a begin symbol at t = 0) plus
the speech feature f_t. Every layer has causal self-attention over the last W frames,
cross-attention to the speech features in a window of W frames around t, cross-attention to the
transcript, and feed-forward; all are pre-norm. The output is one logit per frame. Positions are
rotary, so the attention of a frame does not depend on its place in the clip. W, the length of a
training clip, bounds the cost per frame (R). In a causal clip the window of cross-attention ends
at frame t (R).

Training runs `__call__` on the shifted targets (teacher forcing). Inference runs `block` on one or
several frames inside one `lax.scan`, with the last W keys and values of each layer as its carry
(models/ksdiff/keyframe_decoding.py). Both compute the same logits.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.layers.attention import KeysValues
from ksdiff_jax.layers.dense import Dense
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.layer_norm import LayerNorm
from ksdiff_jax.layers.position import rotary
from ksdiff_jax.layers.stack import apply_layers
from ksdiff_jax.models.ksdiff.config import ModelConfig
from ksdiff_jax.models.ksdiff.decoder_layer import DecoderLayer
from ksdiff_jax.typing import AnyArray, Array, Bool, Float, Int

BEGIN_BIT = 2  # the previous bit of the first frame


class PredictorMemory(NamedTuple):
    """Values that do not depend on the bits: projected speech and transcript of every layer."""

    speech: tuple[KeysValues, ...]
    transcript: tuple[KeysValues, ...]


class PredictorLayer(DecoderLayer):
    """A causal layer; all keys and values that it attends to are arguments."""

    def own_memory(self, x: Float[Array, "b n d"], time_s: Float[AnyArray, "n"]) -> KeysValues:
        """Return keys and values of the layer's own input, for self-attention; `time_s` is the time
        of each frame in seconds.
        """
        return self.self_attention.project(self.norm_self(x), time_s)

    def __call__(
        self,
        x: Float[Array, "b n d"],
        own: KeysValues,
        speech: KeysValues,
        transcript: KeysValues | None,
        *,
        time_s: Float[AnyArray, "n"],
        own_mask: Bool[Array, "*a n k"],
        speech_mask: Bool[Array, "*c n k2"],
        transcript_mask: Bool[Array, "b l"],
        deterministic: bool,
    ) -> Float[Array, "b n d"]:
        def dropped(value: Array) -> Array:
            return self.dropout(value, deterministic=deterministic)

        x = x + dropped(self.self_attention(self.norm_self(x), own, time_s=time_s, mask=own_mask))
        x = x + dropped(
            self.speech_attention(self.norm_speech(x), speech, time_s=time_s, mask=speech_mask)
        )
        if transcript is not None:
            visible = transcript_mask[:, None, None, :]
            x = x + dropped(
                self.transcript_attention(self.norm_transcript(x), transcript, mask=visible)
            )
        return x + dropped(self.feed_forward(self.norm_feed_forward(x)))


class KeyframePredictor(nn.Module):
    """Logits of the keyframe bits of one path (§2.2)."""

    config: ModelConfig
    execution: Execution = Execution()

    def setup(self) -> None:
        config = self.config
        self.bit = nn.Embed(3, config.width, dtype=self.execution.dtype)
        self.speech = Dense(config.width, dtype=self.execution.dtype)
        self.layers = [
            PredictorLayer(config, self.execution) for _ in range(config.keyframes.layers)
        ]
        self.norm_out = LayerNorm(dtype=self.execution.dtype)
        self.logit = Dense(1, dtype=jnp.float32)

    def memory(
        self, features: Float[Array, "b t d"], text: Float[Array, "b l d"]
    ) -> PredictorMemory:
        """Return the projections of speech and transcript for every layer; computed once per
        clip.
        """
        time_s = _time_s(np.arange(features.shape[1]))
        speech = tuple(layer.speech_attention.project(features, time_s) for layer in self.layers)
        if not self.config.transcript.enabled:
            return PredictorMemory(speech, ())
        return PredictorMemory(
            speech, tuple(layer.transcript_attention.project(text) for layer in self.layers)
        )

    def __call__(
        self,
        previous: Int[Array, "b t"],
        features: Float[Array, "b t d"],
        memory: PredictorMemory,
        *,
        mask: Bool[Array, "b t"],
        text_mask: Bool[Array, "b l"],
        deterministic: bool,
        causal: Bool[Array, "b"] | None = None,
    ) -> Float[Array, "b t"]:
        """Return the logits of all frames at once; that of frame t depends on bits before t only.

        `previous` contains the bits shifted by one frame (`shifted_bits`). `mask` marks the valid
        frames, `text_mask` the valid tokens.
        """
        window = self.config.keyframes.window_frames
        frame = np.arange(previous.shape[1])
        behind = frame[:, None] - frame[None]
        own_mask = jnp.asarray((behind >= 0) & (behind < window))[None, None]
        near = jnp.asarray((behind <= window // 2) & (behind > -(window - window // 2)))
        speech_mask = near[None, None] & mask[:, None, None, :]
        if causal is not None:
            past = jnp.asarray(frame[:, None] >= frame)
            speech_mask &= past | ~causal[:, None, None, None]
        x = self.bit(previous) + self.speech(features)

        def apply(
            layer: PredictorLayer, x: Array, own: tuple[KeysValues, KeysValues | None]
        ) -> Array:
            return layer(
                x,
                layer.own_memory(x, _time_s(frame)),
                *own,
                time_s=_time_s(frame),
                own_mask=own_mask,
                speech_mask=speech_mask,
                transcript_mask=text_mask,
                deterministic=deterministic,
            )

        own = list(itertools.zip_longest(memory.speech, memory.transcript))
        x = apply_layers(self.layers, apply, x, own, execution=self.execution)[-1]
        return self.logit(self.norm_out(x))[..., 0]

    def block(
        self,
        previous: Int[Array, "b n"],
        features: Float[Array, "b n d"],
        caches: tuple[KeysValues, ...],
        memory: PredictorMemory,
        start: Int[Array, ""],
        *,
        mask: Bool[Array, "b m"],
        text_mask: Bool[Array, "b l"],
        causal: Bool[Array, "b"] | None = None,
    ) -> tuple[Float[Array, "b n"], tuple[KeysValues, ...]]:
        """Return the logits of frames start ... start + n - 1 at once, as `__call__` does, and the
        keys and values of these frames behind those of `caches`, the last W of each.

        `caches` are of the W frames before `start`; those of frames before the clip are masked.
        `memory.speech` and `mask` are the n + W frames from frame `start` of `pad_speech`.
        """
        window, frames = self.config.keyframes.window_frames, previous.shape[1]
        frame = np.arange(frames)
        time_s = _time_s(start + frame)
        before = np.arange(-window, frames)
        behind = frame[:, None] - before
        own_mask = jnp.asarray((behind >= 0) & (behind < window)) & (before + start >= 0)
        behind = frame[:, None] - np.arange(-(window // 2), frames + window - window // 2)
        near = jnp.asarray((behind <= window // 2) & (behind > -(window - window // 2)))
        speech_mask = near[None, None] & mask[:, None, None, :]
        if causal is not None:
            speech_mask &= jnp.asarray(behind >= 0) | ~causal[:, None, None, None]
        x = self.bit(previous) + self.speech(features)

        def attended(index: int, layer: PredictorLayer, x: Array) -> tuple[KeysValues, KeysValues]:
            own = caches[index].joined(layer.own_memory(x, time_s))
            return own, KeysValues(*(values[:, -window:] for values in own))

        masks = {"own_mask": own_mask[None, None], "speech_mask": speech_mask}
        return self._logits(x, memory, attended, time_s, **masks, transcript_mask=text_mask)

    def live_step(
        self,
        previous: Int[Array, "b"],
        feature: Float[Array, "b d"],
        caches: tuple[KeysValues, ...],
        memory: PredictorMemory,
        *,
        place: int,
        own_mask: Bool[Array, "b w"],
        speech_mask: Bool[Array, "b n"],
        text_mask: Bool[Array, "b l"],
    ) -> tuple[Float[Array, "b"], tuple[KeysValues, ...]]:
        """Return the logit of one frame of live speech, as `block` does for a causal clip, and the
        caches with this frame in place of the oldest.

        The caches contain keys of the last W frames before their rotation, so that the result does
        not depend on the age of the stream; `memory` is of the n frames around, of which the frame
        is number `place`. The masks mark the frames that it attends to.
        """
        window = self.config.keyframes.window_frames
        own_s = _time_s(np.arange(window) - window + 1 + place)
        x = (self.bit(previous) + self.speech(feature))[:, None]

        def attended(index: int, layer: PredictorLayer, x: Array) -> tuple[KeysValues, KeysValues]:
            new = layer.self_attention.project(layer.norm_self(x))
            cache = KeysValues(*(a[:, 1:] for a in caches[index])).joined(new)
            return cache._replace(keys=rotary(cache.keys, own_s)), cache

        masks = {"own_mask": own_mask[:, None, None], "speech_mask": speech_mask[:, None, None]}
        masks["transcript_mask"] = text_mask
        logits, caches = self._logits(x, memory, attended, own_s[-1:], **masks)
        return logits[:, 0], caches

    def _logits(
        self,
        x: Float[Array, "b n d"],
        memory: PredictorMemory,
        attended: Callable[[int, PredictorLayer, Array], tuple[KeysValues, KeysValues]],
        time_s: Float[AnyArray, "n"],
        **masks: Bool[Array, "..."],
    ) -> tuple[Float[Array, "b n"], tuple[KeysValues, ...]]:
        """Return the logits of embedded frames, and the caches of every layer behind them.

        `attended` returns the keys and values of a layer's self-attention, and its new cache.
        """
        caches = []
        for index, layer in enumerate(self.layers):
            own, cache = attended(index, layer, x)
            caches.append(cache)
            read = memory.transcript[index] if memory.transcript else None
            others = {"time_s": time_s, "deterministic": True}
            x = layer(x, own, memory.speech[index], read, **masks, **others)
        return self.logit(self.norm_out(x))[..., 0], tuple(caches)


def shifted_bits(bits: Bool[Array, "b t"]) -> Int[Array, "b t"]:
    """Return the previous bit of every frame, `BEGIN_BIT` at the first."""
    return jnp.pad(bits[:, :-1].astype(jnp.int32), ((0, 0), (1, 0)), constant_values=BEGIN_BIT)


def pad_speech(values: Array, *, window: int) -> Array:
    """Pad axis 1 so that a slice of `window` frames from frame t covers the frames to which frame t
    attends in `__call__`.
    """
    padding = [(0, 0)] * values.ndim
    padding[1] = (window // 2, window - window // 2)
    return jnp.pad(values, padding)


def empty_caches(config: ModelConfig, *, batch: int, dtype: DTypeLike) -> tuple[KeysValues, ...]:
    """Return caches of zeros, one per layer: keys and values (batch, W, heads, width /
    heads).
    """
    shape = (batch, config.keyframes.window_frames, config.heads, config.width // config.heads)
    return tuple(
        KeysValues(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))
        for _ in range(config.keyframes.layers)
    )


def _time_s(frame: Int[AnyArray, "*n"]) -> Float[AnyArray, "*n"]:
    return frame.astype(np.float32) / np.float32(MOTION_RATE_HZ)
