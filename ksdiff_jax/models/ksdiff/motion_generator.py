"""The motion generator of one path (KSDiff §2.3): a diffusion transformer after DiffSpeaker that
predicts x₀.

    x = linear(noisy coefficients) + sinusoid(t mod P)
    per layer, pre-norm and residual: self-attention, cross-attention to speech,
                                      cross-attention to the transcript, FFN
    x̂₀ = linear(norm(x)), zero at the start of training

Biased conditional attention (DiffSpeaker): an embedding of the diffusion step and one of the style
precede the keys and values of every attention, with bias 0 and without a norm. Self-attention adds
the periodic distance bias. Cross-attention to speech covers only frames with |i − j| <= k. The
speech memory of frame t is f_t plus the embedding of its keyframe bit. It has the same periodic
position as the queries (R), so that attention can distinguish the k frames.

With `model.keyframes.reach_frames`, frames near a keyframe have embeddings too (R). With
`model.keyframes.at_motion`, x gets a second embedding of the keyframes (R). With
`model.regression`, x of the expression gets a projection of the regression (R), which is zero at
the start of training.

The style is a learned vector, that of the unknown style; a model with named styles
(models/ksdiff/style.py) adds a learned difference for each, zero at the start of training.

In a causal clip (R) attention covers no frame after its own, and a frame has no embedding of a
keyframe after it. A look-ahead here would grow with every layer and every step of the sampler.

`memory` returns everything that does not depend on the diffusion step; a sampler computes it once.
"""

import itertools
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.layers.attention import FeedForward, KeysValues
from ksdiff_jax.layers.dense import Dense, JoinedDense
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.layers.layer_norm import LayerNorm
from ksdiff_jax.layers.position import periodic_distance_bias, sinusoid
from ksdiff_jax.layers.stack import apply_layers
from ksdiff_jax.models.ksdiff.config import ModelConfig
from ksdiff_jax.models.ksdiff.decoder_layer import DecoderLayer
from ksdiff_jax.models.ksdiff.style import UNKNOWN_STYLE
from ksdiff_jax.typing import AnyArray, Array, Bool, Float, Int

UNKNOWN_BIT = 2  # the keyframe bit if keyframes are hidden from the generator
# R: with the usual initial deviation, 1 / √D, 300 steps taught the head less than half as much
AT_MOTION_STD = 0.3


class GeneratorMemory(NamedTuple):
    """Projected speech (with keyframes) and transcript of every layer, and keyframes."""

    speech: tuple[KeysValues, ...]
    transcript: tuple[KeysValues, ...]
    # what the noisy coefficients get: an embedding of the keyframes (`model.keyframes.at_motion`),
    # the projected regression (`model.regression`)
    at_motion: Float[Array, "b t d"] | None = None


class NextMasks(NamedTuple):
    """What k frames of live speech attend to, behind the condition: p past frames and themselves,
    the speech of themselves and the a frames before, the transcript.
    """

    own: Bool[Array, "b k n"]
    speech: Bool[Array, "b k n2"]
    text: Bool[Array, "b l"]
    first: Int[AnyArray, ""]  # index of the first of the k frames


class GeneratorLayer(DecoderLayer):
    """One denoising layer; `condition` (b, 2, D) contains the embeddings of step and style."""

    def __call__(
        self,
        x: Float[Array, "b t d"],
        condition: Float[Array, "b 2 d"],
        speech: KeysValues,
        transcript: KeysValues | None,
        *,
        mask: Bool[Array, "b t"],
        text_mask: Bool[Array, "b l"],
        deterministic: bool,
        causal: Bool[Array, "b"] | None = None,
    ) -> Float[Array, "b t d"]:
        def dropped(value: Array) -> Array:
            return self.dropout(value, deterministic=deterministic)

        normed, frame = self.norm_self(x), jnp.arange(x.shape[1])
        own = self.self_attention.project(jnp.concatenate([condition, normed], axis=1))
        bias = self._bias(frame, frame)
        visible = mask[:, None, None]
        if causal is not None:
            past = frame[:, None] >= frame
            visible = visible & (past | ~causal[:, None, None, None])
        visible = _after_condition(visible)
        x = x + dropped(self.self_attention(normed, own, mask=visible, bias=bias))

        before = self.speech_attention.project(condition)
        reach = self.config.generator.alignment_frames
        heard = self.speech_attention.near(
            self.norm_speech(x), before, speech, reach=reach, mask=mask, causal=causal
        )
        x = x + dropped(heard)
        if transcript is not None:
            x = x + dropped(self._read(x, condition, transcript, text_mask))
        return x + dropped(self.feed_forward(self.norm_feed_forward(x)))

    def next_frames(
        self,
        x: Float[Array, "b k d"],
        condition: Float[Array, "b 2 d"],
        past: KeysValues,
        speech: KeysValues,
        transcript: KeysValues | None,
        *,
        masks: "NextMasks",
    ) -> tuple[Float[Array, "b k d"], KeysValues]:
        """Return the output of k frames of live speech, and their keys and values in
        self-attention. `past` are those of the frames before them, `speech` the memory of the k
        frames and the a before them.
        """
        normed, frame = self.norm_self(x), jnp.arange(past.keys.shape[1] + x.shape[1])
        new = self.self_attention.project(normed)
        own = self.self_attention.project(condition).joined(past).joined(new)
        bias = self._bias(frame[-x.shape[1] :], frame)
        visible = _after_condition(masks.own)[:, None]
        x = x + self.self_attention(normed, own, mask=visible, bias=bias)
        heard = self.speech_attention.project(condition).joined(speech)
        visible = _after_condition(masks.speech)[:, None]
        x = x + self.speech_attention(self.norm_speech(x), heard, mask=visible)
        if transcript is not None:
            x = x + self._read(x, condition, transcript, masks.text)
        return x + self.feed_forward(self.norm_feed_forward(x)), new

    def _bias(self, query: Int[Array, "k"], key: Int[Array, "n"]) -> Float[Array, "h k n+2"]:
        """Return the bias of self-attention between frames, 0 to the condition."""
        period = self.config.generator.bias_period_frames
        bias = periodic_distance_bias(query, key, heads=self.config.heads, period=period)
        return jnp.pad(bias, ((0, 0), (0, 0), (2, 0)))

    def _read(
        self,
        x: Float[Array, "b t d"],
        condition: Float[Array, "b 2 d"],
        transcript: KeysValues,
        text_mask: Bool[Array, "b l"],
    ) -> Float[Array, "b t d"]:
        read = self.transcript_attention.project(condition).joined(transcript)
        visible = _after_condition(text_mask)[:, None, None]
        return self.transcript_attention(self.norm_transcript(x), read, mask=visible)


class MotionGenerator(nn.Module):
    """The denoiser of one path, or of the whole motion if `tracks` is 2 (the ablation "w/o
    dual-path diff"). `dims` is the number c of motion dimensions.
    """

    config: ModelConfig
    dims: int
    tracks: int = 1
    execution: Execution = Execution()

    def setup(self) -> None:
        config, dtype = self.config, self.execution.dtype
        self.noisy = Dense(config.width, dtype=dtype)
        self.step_embedding = FeedForward(config.width, ratio=1, dtype=dtype)
        self.style = self.param("style", nn.initializers.normal(0.02), (config.width,))
        if config.generator.styles:
            zeros, named = nn.initializers.zeros, len(config.generator.styles)
            self.styles = nn.Embed(named, config.width, embedding_init=zeros)
        self.null_speech = self.param("null_speech", nn.initializers.normal(0.02), (config.width,))
        if config.keyframes.enabled:
            self.keyframe = self._embeddings()
            if config.keyframes.at_motion:
                self.keyframe_motion = self._embeddings()
        if self.tracks > 1:
            self.fuse = JoinedDense(config.width, dtype=dtype)
        if config.regression.enabled:
            zeros = nn.initializers.zeros
            self.regressed = Dense(config.width, kernel_init=zeros, use_bias=False, dtype=dtype)
        self.layers = [
            GeneratorLayer(config, self.execution) for _ in range(config.generator.layers)
        ]
        self.norm_out = LayerNorm(dtype=dtype)
        self.clean = Dense(self.dims, kernel_init=nn.initializers.zeros, dtype=jnp.float32)

    def memory(
        self,
        features: tuple[Float[Array, "b t d"], ...],
        keyframes: tuple[Int[Array, "b t"], ...],
        text: Float[Array, "b l d"],
        *,
        drop_speech: Bool[Array, "b"],
        regression: Float[Array, "b t c"] | None = None,
        causal: Bool[Array, "b"] | None = None,
        first: Int[AnyArray, ""] | int = 0,
    ) -> GeneratorMemory:
        """Return the projected conditions for every layer.

        `keyframes` contains bits or `UNKNOWN_BIT`, one track per feature. Clips of `drop_speech`
        get the learned null embedding in place of speech, and no regression. No gradient reaches
        the `regression`. `first` is the index of the first frame.
        """
        speech = self.fuse(*features) if self.tracks > 1 else features[0]
        speech = jnp.where(
            drop_speech[:, None, None], self.null_speech.astype(self.execution.dtype), speech
        )
        settings, marks = self.config.keyframes, None
        if settings.enabled:
            reach = settings.reach_frames
            codes = [keyframe_offsets(bits, reach=reach, causal=causal) for bits in keyframes]
            for embed, of_track in zip(self.keyframe, codes, strict=True):
                speech = speech + embed(of_track)
            if settings.at_motion:
                marks = sum(e(c) for e, c in zip(self.keyframe_motion, codes, strict=True))
        if regression is not None:
            known = jnp.where(drop_speech[:, None, None], 0.0, jax.lax.stop_gradient(regression))
            projected = self.regressed(known.astype(self.execution.dtype))
            marks = projected if marks is None else marks + projected
        speech = speech + self._position(speech.shape[1], first)
        heard = tuple(layer.speech_attention.project(speech) for layer in self.layers)
        if not self.config.transcript.enabled:
            return GeneratorMemory(heard, (), marks)
        read = tuple(layer.transcript_attention.project(text) for layer in self.layers)
        return GeneratorMemory(heard, read, marks)

    def __call__(
        self,
        noisy: Float[Array, "b t c"],
        step: Int[Array, "b"],
        memory: GeneratorMemory,
        *,
        mask: Bool[Array, "b t"],
        text_mask: Bool[Array, "b l"],
        deterministic: bool,
        style: Int[Array, "b"] | None = None,
        causal: Bool[Array, "b"] | None = None,
    ) -> Float[Array, "b t c"]:
        """Return the clean coefficients x̂₀ of noisy ones at diffusion step `step`, in float32.

        `mask` marks the valid frames, `text_mask` the valid tokens. `deterministic` disables
        dropout. `style` None is the unknown style.
        """
        condition = self._condition(step, style)
        x = self._input(noisy, memory, 0)
        x = nn.with_logical_constraint(x, ("batch", "time", "width"))

        def apply(
            layer: GeneratorLayer, x: Array, own: tuple[KeysValues, KeysValues | None]
        ) -> Array:
            masks = {"mask": mask, "text_mask": text_mask, "causal": causal}
            x = layer(x, condition, *own, **masks, deterministic=deterministic)
            return nn.with_logical_constraint(x, ("batch", "time", "width"))

        own = list(itertools.zip_longest(memory.speech, memory.transcript))
        x = apply_layers(self.layers, apply, x, own, execution=self.execution)[-1]
        return self.clean(self.norm_out(x))

    def next_frames(
        self,
        noisy: Float[Array, "b k c"],
        step: Int[Array, "b"],
        memory: GeneratorMemory,
        past: tuple[KeysValues, ...],
        *,
        masks: NextMasks,
        style: Int[Array, "b"] | None = None,
    ) -> tuple[Float[Array, "b k c"], tuple[KeysValues, ...]]:
        """Return x̂₀ of k frames of live speech, as `__call__` does for a causal clip, and what
        every layer must have of them in `past` for the frames after them.

        `memory.speech` covers the k frames and those before that they attend to, `at_motion` the k
        frames.
        """
        condition = self._condition(step, style)
        x, known = self._input(noisy, memory, masks.first), []
        own = itertools.zip_longest(memory.speech, memory.transcript)
        for layer, before, (speech, transcript) in zip(self.layers, past, own, strict=True):
            x, new = layer.next_frames(x, condition, before, speech, transcript, masks=masks)
            known.append(new)
        return self.clean(self.norm_out(x)), tuple(known)

    def _condition(
        self, step: Int[Array, "b"], style: Int[Array, "b"] | None
    ) -> Float[Array, "b 2 d"]:
        """Return the embeddings of step and style."""
        embedded = sinusoid(step, width=self.config.width).astype(self.execution.dtype)
        stepped = self.step_embedding(embedded)
        return jnp.stack([stepped, self._style(style, stepped)], axis=1)

    def _input(
        self, noisy: Float[Array, "b t c"], memory: GeneratorMemory, first: Int[AnyArray, ""] | int
    ) -> Float[Array, "b t d"]:
        """Return what the first layer reads of noisy coefficients, of which `first` is the index
        of the first frame.
        """
        x = self.noisy(noisy.astype(self.execution.dtype)) + self._position(noisy.shape[1], first)
        return x if memory.at_motion is None else x + memory.at_motion

    def _style(
        self, number: Int[Array, "b"] | None, stepped: Float[Array, "b d"]
    ) -> Float[Array, "b d"]:
        """Return the embedding of a style, in the shape and dtype of that of the step."""
        style = self.style
        if self.config.generator.styles:
            number = jnp.zeros(len(stepped), jnp.int32) if number is None else number
            named = self.styles(jnp.maximum(number - 1, 0))
            style = style + jnp.where((number > UNKNOWN_STYLE)[:, None], named, 0.0)
        return jnp.broadcast_to(style.astype(self.execution.dtype), stepped.shape)

    def _embeddings(self) -> list[nn.Embed]:
        """Return a table for each track: `keyframe_offsets` to vectors."""
        settings, width = self.config.keyframes, self.config.width
        options = {"dtype": self.execution.dtype}
        if settings.at_motion:
            options["embedding_init"] = nn.initializers.normal(AT_MOTION_STD)
        codes = 3 + 2 * settings.reach_frames
        return [nn.Embed(codes, width, **options) for _ in range(self.tracks)]

    def _position(self, frames: int, first: Int[AnyArray, ""] | int) -> Float[Array, "t d"]:
        phase = (np.arange(frames) + first) % self.config.generator.period_frames
        return sinusoid(phase, width=self.config.width).astype(self.execution.dtype)


def keyframe_offsets(
    bits: Int[Array, "b t"], *, reach: int, causal: Bool[Array, "b"] | None = None
) -> Int[Array, "b t"]:
    """Return the code of the nearest keyframe of each frame: bits and `UNKNOWN_BIT` as they are;
    for a frame d = 1 ... `reach` frames before one 1 + 2 d, and d frames after one 2 + 2 d.

    A frame midway between two keyframes has the code of the one before it. In a causal clip no
    frame has the code of a keyframe after it.
    """
    codes, frames = bits, bits.shape[1]
    for distance in range(reach, 0, -1):
        ahead = jnp.pad(bits[:, distance:], ((0, 0), (0, min(distance, frames))))
        behind = jnp.pad(bits[:, : max(frames - distance, 0)], ((0, 0), (min(distance, frames), 0)))
        ahead = ahead if causal is None else jnp.where(causal[:, None], 0, ahead)
        codes = jnp.where((bits == 0) & (ahead == 1), 1 + 2 * distance, codes)
        codes = jnp.where((bits == 0) & (behind == 1), 2 + 2 * distance, codes)
    return codes


def _after_condition(mask: Bool[Array, "*b k"]) -> Bool[Array, "*b k+2"]:
    """Return a key mask with the two condition tokens, always visible, before it."""
    return jnp.pad(mask, [(0, 0)] * (mask.ndim - 1) + [(2, 0)], constant_values=True)
