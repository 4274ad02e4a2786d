"""The next frames of live speech, with the causal mode of KSDiff: `models.ksdiff.sampling` a few
frames at a time.

The parameters and the equations are those of `sample_normalised` with `sample.causal`. A call
computes k frames from a window of speech that ends with them, and from a `LiveState` of bounded
size: keys and values of the last `CONTEXT_FRAMES` frames at every evaluation of the sampler, those
of the keyframe predictors, recent keyframes, the sum of the regression. A frame therefore attends
to its `CONTEXT_FRAMES` predecessors as they were returned, and is never computed again.

In speech of up to `CONTEXT_FRAMES` frames the result is that of `sample_normalised` for the whole,
up to rounding. In longer speech attention does not reach the frames before, and running statistics
of the speech paths are those of the window.

The state has the keys and values of each evaluation of the sampler, of which samplers know nothing:
the denoiser reads and writes them by the number of its call, in mutable arrays of the program.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ksdiff_jax.diffusion.samplers import sampler_of
from ksdiff_jax.diffusion.schedule import sampling_steps
from ksdiff_jax.layers.attention import KeysValues
from ksdiff_jax.models.ksdiff.config import ModelConfig, SampleConfig
from ksdiff_jax.models.ksdiff.keyframe_predictor import BEGIN_BIT, empty_caches
from ksdiff_jax.models.ksdiff.motion_generator import GeneratorMemory, NextMasks
from ksdiff_jax.models.ksdiff.network import (
    TRACKS,
    Encoded,
    Network,
    compute_dtype,
    expression_generator,
    generator_dims,
    keyframe_tracks,
)
from ksdiff_jax.models.ksdiff.sampling import (
    audible,
    encode,
    guidance_conditions,
    guided_prediction,
    keyframe_threshold,
    placed_keyframes,
    regression_weight,
    style_of_options,
)
from ksdiff_jax.models.system import Sample
from ksdiff_jax.motion.space import MOTION_DIMS
from ksdiff_jax.rng import frame_noise, frame_uniform, streams
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import Array, Bool, Float, Int, Key, PyTree

CONTEXT_FRAMES = 128  # 5.1 s, the usual length of a training clip


class LiveState(NamedTuple):
    """What later frames need of the frames so far."""

    previous: dict[str, Int[Array, "b"]]  # last predicted bit of each track, `BEGIN_BIT` at first
    bits: dict[str, Int[Array, "b r"]]  # recent keyframes of each track, those placed included
    predictors: dict[str, tuple[KeysValues, ...]]
    regressed: Float[Array, "b c"] | None  # sum of the regression
    # of each generator, under each condition of its guidance, in each layer: keys and values
    # (evaluation, b, CONTEXT_FRAMES, h, d)
    generators: dict[str, tuple[tuple[KeysValues, ...], ...]]


class LiveWindow(NamedTuple):
    """Speech that ends with k new frames, or with the look-ahead of the encoder behind them."""

    speech: Speech
    place: Int[Array, ""]  # of the first new frame in the window
    first: Int[Array, ""]  # its index in the stream


def window_frames(config: ModelConfig) -> int:
    """Return the length of a window of speech, without the look-ahead of an encoder."""
    return max(CONTEXT_FRAMES, config.keyframes.window_frames)


def alignment_frames(config: ModelConfig) -> int:
    """Return the number of motion frames of which the beginning of a window is a multiple, so that
    the tokens of the speech paths are the same in every window.
    """
    paths = config.speech_paths
    strides = (paths.head_stride, paths.expression_stride, 2) if paths.refine else (2,)
    return math.lcm(*strides) // 2


def empty_live_state(config: ModelConfig, options: SampleConfig, *, batch: int = 1) -> LiveState:
    """Return the state before the first frame."""
    dtype, tracks = compute_dtype(config), keyframe_tracks(config)
    shape = (options.steps, batch, CONTEXT_FRAMES, config.heads, config.width // config.heads)
    recent, regressed = _recent_frames(config), None
    bits = {track: jnp.zeros((batch, recent), jnp.int32) for track in tracks}
    if config.regression.enabled:
        regressed = jnp.zeros((batch, len(generator_dims(config)[expression_generator(config)])))

    def layers() -> tuple[KeysValues, ...]:
        # arrays of their own: a program may overwrite those of its arguments
        return tuple(
            KeysValues(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))
            for _ in range(config.generator.layers)
        )

    return LiveState(
        previous={track: jnp.full(batch, BEGIN_BIT) for track in tracks},
        bits=bits,
        predictors={track: empty_caches(config, batch=batch, dtype=dtype) for track in tracks},
        regressed=regressed,
        generators={
            name: tuple(layers() for _ in guidance_conditions(options, name, bits))
            for name in generator_dims(config)
        },
    )


def live_step(
    network: Network,
    params: PyTree,
    state: LiveState,
    window: LiveWindow,
    keys: Key[Array, "b"],
    *,
    frames: int,
    options: SampleConfig,
) -> tuple[LiveState, Sample]:
    """Return the state behind k = `frames` new frames, and their normalised motion (b, k, m) and
    keyframe tracks (b, k).
    """
    config, nothing = network.config, jnp.zeros(len(window.speech.mask), bool)
    style = style_of_options(network, options, batch=len(nothing))
    speech = window.speech._replace(causal=~nothing)
    encoded = encode(network, params, speech, nothing, style=style)
    new = _New(network, params, window, encoded, style, frames, options, keys)

    tracks, bits, previous, predictors = {}, {}, {}, {}
    for track in keyframe_tracks(config):
        uniform = frame_uniform(streams(keys, f"keyframes {track}"), _all(keys, window), frames)
        threshold = keyframe_threshold(options, uniform)
        found, score, previous[track], predictors[track] = _keyframes(new, state, track, threshold)
        if speech.keyframes is not None:
            by_hand = new.latest(speech.keyframes, 0)[..., TRACKS.index(track)]
            found = placed_keyframes(by_hand, found)
        bits[track] = jnp.concatenate([state.bits[track], found.astype(jnp.int32)], axis=1)
        tracks |= {f"keyframes_{track}": found, f"keyframe_score_{track}": score}

    noise = frame_noise(streams(keys, "noise"), _all(keys, window), frames, (MOTION_DIMS,))
    noise = noise.at[..., jnp.array(options.lip_dims, jnp.int32)].multiply(options.lip_temperature)
    motion, generators = jnp.zeros_like(noise), {}
    regressed = blend = None
    if encoded.regression is not None:
        regressed, blend = _regression(new, state)
    for name, dims in generator_dims(config).items():
        given = blend if name == expression_generator(config) else None
        dims = jnp.array(dims)
        path, generators[name] = _generated(
            new, state.generators[name], name, noise[..., dims], bits=bits, blend=given
        )
        motion = motion.at[..., dims].set(path)
    recent = {track: of_track[:, frames:] for track, of_track in bits.items()}
    return LiveState(previous, recent, predictors, regressed, generators), Sample(motion, tracks)


class _New(NamedTuple):
    """The constants of one call."""

    network: Network
    params: PyTree
    window: LiveWindow
    encoded: Encoded  # of the whole window
    style: Int[Array, "b"] | None
    frames: int
    options: SampleConfig
    keys: Key[Array, "b"]

    def latest(self, values: Array, before: int) -> Array:
        """Return the new frames of values (b, t, ...) of the window, and `before` ones before."""
        padded = jnp.pad(values, ((0, 0), (before, 0)) + ((0, 0),) * (values.ndim - 2))
        count = before + self.frames
        return jax.lax.dynamic_slice_in_dim(padded, self.window.place, count, axis=1)

    def encoded_latest(self, before: int) -> Encoded:
        """Return the encoded speech of these frames."""

        def cut(values: Array) -> Array:
            return self.latest(values, before)

        whole = self.encoded
        return whole._replace(
            features=jax.tree.map(cut, whole.features),
            mask=cut(whole.mask),
            regression=None if whole.regression is None else cut(whole.regression),
            dropped_regression=None,
        )

    def apply(self, *inputs: PyTree, **options: PyTree) -> PyTree:
        """Call a method of the network."""
        return self.network.apply({"params": self.params}, *inputs, **options)

    def visible(self, *, before: int, reach: int) -> Bool[Array, "1 k n"]:
        """Return which of the new frames and the `before` ones before each new frame attends to:
        itself and its `reach` predecessors, those of the stream only.
        """
        query = jnp.arange(self.frames)[:, None] + before
        key = jnp.arange(before + self.frames)
        near = (key <= query) & (key >= query - reach)
        return (near & (self.window.first - before + key >= 0))[None]


def _all(keys: Key[Array, "b"], window: LiveWindow) -> Int[Array, "b"]:
    return jnp.full(len(keys), window.first)


def _recent_frames(config: ModelConfig) -> int:
    """Return the number of frames before a frame whose keyframes its generator reads."""
    return config.generator.alignment_frames + config.keyframes.reach_frames


def _keyframes(
    new: _New, state: LiveState, track: str, threshold: Float[Array, "b k"]
) -> tuple[Bool[Array, "b k"], Float[Array, "b k"], Int[Array, "b"], tuple[KeysValues, ...]]:
    """Return bits, probabilities, the last bit and the caches of a track; see
    `sampling.decode_keyframes`.
    """
    window = new.network.config.keyframes.window_frames
    past, batch = window // 2, len(threshold)
    near = new.encoded_latest(past)
    memory = new.apply(track, near, method=Network.predictor_memory)
    speech_mask = jnp.repeat(new.visible(before=past, reach=past), batch, axis=0)
    features, text_mask = getattr(near.features, track), near.text_mask
    previous, caches = state.previous[track], state.predictors[track]
    bits, scores = [], []
    for frame in range(new.frames):
        known = jnp.arange(window) >= window - 1 - (new.window.first + frame)
        logit, caches = new.apply(
            *(track, previous, features[:, past + frame], caches, memory),
            place=past + frame,
            own_mask=jnp.broadcast_to(known, (batch, window)),
            speech_mask=speech_mask[:, frame],
            text_mask=text_mask,
            method=Network.live_keyframe_step,
        )
        scores.append(jax.nn.sigmoid(logit))
        bits.append(scores[-1] > threshold[:, frame])
        previous = bits[-1].astype(jnp.int32)
    return jnp.stack(bits, axis=1), jnp.stack(scores, axis=1), previous, caches


def _regression(
    new: _New, state: LiveState
) -> tuple[Float[Array, "b c"], tuple[Float[Array, "b k c"], Float[Array, "b k c"]] | None]:
    """Return the sum of the regression up to the last new frame, and its share and amplified value
    in x̂₀ of the new frames (`sampling.blended_denoiser`), or None if it has no share.
    """
    share, gain = new.options.regression()
    regression = new.latest(new.encoded.regression, 0)
    total = state.regressed[:, None] + jnp.cumsum(regression, axis=1)
    if not share:
        return total[:, -1], None
    count = new.window.first + 1 + jnp.arange(new.frames)
    mean = total / count[:, None]
    amplified = mean + gain * (regression - mean)
    heard = audible(new.window.speech.audio, new.encoded.mask.shape[1])
    heard = new.latest(heard, 0)
    weight = regression_weight(new.network.config, new.options, share * heard)
    return total[:, -1], (weight, amplified)


def _generated(
    new: _New,
    caches: tuple[tuple[KeysValues, ...], ...],
    name: str,
    noise: Float[Array, "b k c"],
    *,
    bits: dict[str, Int[Array, "b n"]],
    blend: tuple[Float[Array, "b k c"], Float[Array, "b k c"]] | None,
) -> tuple[Float[Array, "b k c"], tuple[tuple[KeysValues, ...], ...]]:
    """Return the new frames of a generator, and its caches."""
    options, config = new.options, new.network.config
    conditions = guidance_conditions(options, name, bits)
    memories = [_memory(new, name, *condition) for condition in conditions]
    masks, calls = _masks(new, batch=len(noise)), jax.new_ref(jnp.int32(0))
    made = jax.tree.map(lambda a: jax.new_ref(jnp.zeros_like(a[:, :, : new.frames])), caches)

    def predict(index: int, noisy: Array, step: Array, call: Array) -> Array:
        past = jax.tree.map(lambda values: values[call], caches[index])
        clean, known = new.apply(
            *(name, noisy, jnp.full(len(noisy), step), memories[index], past),
            masks=masks,
            style=new.style,
            method=Network.live_denoise,
        )
        for layer, values in zip(made[index], known, strict=True):
            layer.keys[call], layer.values[call] = values
        return clean

    def denoise(noisy: Array, step: Array) -> Array:
        call = calls[...]
        calls[...] = call + 1
        predictions = [predict(index, noisy, step, call) for index in range(len(conditions))]
        clean = guided_prediction(predictions, options, name)
        return clean if blend is None else (1 - blend[0]) * clean + blend[0] * blend[1]

    def draw(step: Array) -> Array:
        streamed = streams(new.keys, f"sampler {name}", step)
        return frame_noise(streamed, _all(new.keys, new.window), new.frames, noise.shape[2:])

    steps = sampling_steps(config.diffusion, steps=options.steps, spacing=options.spacing)
    path = sampler_of(options.sampler, eta=options.eta)(denoise, noise, draw, steps=steps)
    return path, jax.tree.map(lambda before, ref: _with_new(before, ref[...]), caches, made)


def _with_new(before: Float[Array, "n b p h d"], new: Float[Array, "n b k h d"]) -> Array:
    return jnp.concatenate([before, new], axis=2)[:, :, new.shape[2] :]


def _masks(new: _New, *, batch: int) -> NextMasks:
    def of_batch(values: Array) -> Array:
        return jnp.repeat(values, batch, axis=0)

    near = new.network.config.generator.alignment_frames
    return NextMasks(
        own=of_batch(new.visible(before=CONTEXT_FRAMES, reach=CONTEXT_FRAMES)),
        speech=of_batch(new.visible(before=near, reach=near)),
        text=new.encoded.text_mask,
        first=new.window.first,
    )


def _memory(
    new: _New, name: str, bits: dict[str, Int[Array, "b n"]], drop: bool
) -> GeneratorMemory:
    """Return the memory of the new frames and of those before that they attend to."""
    config = new.network.config
    before = _recent_frames(config)
    memory = new.apply(
        *(name, new.encoded_latest(before), bits),
        drop_speech=jnp.full(len(new.encoded.mask), drop),
        first=new.window.first - before,
        method=Network.generator_memory,
    )
    marks = memory.at_motion
    return GeneratorMemory(
        jax.tree.map(lambda values: values[:, config.keyframes.reach_frames :], memory.speech),
        memory.transcript,
        None if marks is None else marks[:, before:],
    )
