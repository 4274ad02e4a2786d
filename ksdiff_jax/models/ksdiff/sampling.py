"""From speech to normalised motion: encode once, predict the keyframes, denoise.

    x_T = frame noise (lip dimensions scaled by `lip_temperature`)
    k_i = [p(k_i = 1 | k_<i, speech) > u_i],   u_i = `keyframe_threshold`, or uniform (Bernoulli)
    x̂₀  = unconditional + guidance · (conditional - unconditional)
          + (keyframe_guidance - 1) · (conditional - without keyframes)
    x̂₀  = (1 - w) x̂₀ + w (m + g (r - m))       lip dimensions, r of `model.regression`, m its mean,
                                               w `regression_weight` where there is sound,
                                               g `regression_gain` (causal mode: `causal_...`)
    x   = sampler(x_T, x̂₀)                      diffusion/samplers.py

The guidance of the head may differ from that of the mouth (`head_guidance`). Keyframes placed by
hand (`Speech.keyframes`) replace the predicted ones of their track. An edited motion
(`Speech.held`, normalised) is sampled beside the one without the edit (diffusion/in_painting.py).
Rows that are windows of one clip (`Speech.joint`) are blended at every step (diffusion/joint.py).
With `sample.causal` every clip is in the causal mode: the network has the same parameters, and
frame t depends on no feature of speech after its own.

Everything that does not depend on the diffusion step (speech features, transcript, keyframes, all
keys and values of cross-attention) is computed before the sampling loop. All random numbers depend
on the clip and the frame only (`rng.frame_keys`).
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ksdiff_jax.diffusion.guidance import guide, one_batch, under_each
from ksdiff_jax.diffusion.in_painting import side_by_side
from ksdiff_jax.diffusion.joint import jointly, owned, row_by_row
from ksdiff_jax.diffusion.sample import Denoiser
from ksdiff_jax.diffusion.samplers import sampler_of
from ksdiff_jax.diffusion.schedule import sampling_steps
from ksdiff_jax.models.ksdiff.config import ModelConfig, SampleConfig
from ksdiff_jax.models.ksdiff.keyframe_decoding import decode_keyframes
from ksdiff_jax.models.ksdiff.motion_generator import UNKNOWN_BIT
from ksdiff_jax.models.ksdiff.network import (
    TRACKS,
    Encoded,
    Network,
    expression_generator,
    generator_dims,
    keyframe_tracks,
)
from ksdiff_jax.models.ksdiff.style import style_number
from ksdiff_jax.models.system import Sample
from ksdiff_jax.motion.space import MOTION_DIMS
from ksdiff_jax.rng import Given, frame_noise, frame_uniform, streams
from ksdiff_jax.speech.utterance import PREDICTED, Speech
from ksdiff_jax.typing import Array, Bool, Float, Int, Key, PyTree, Shaped


class Condition(NamedTuple):
    """The conditions of the generators."""

    encoded: Encoded
    unguided: Encoded | None  # with the transcript dropped; None if no generator is guided
    keyframes: dict[str, Int[Array, "b t"]]  # bits by track
    style: Int[Array, "b"] | None = None  # None: the model has no styles
    present: Bool[Array, "b"] | None = None  # as in `Joint`


def sample_normalised(
    network: Network,
    params: PyTree,
    speech: Speech,
    keys: Key[Array, "b"] | Given,
    first: Int[Array, "b"],
    *,
    options: SampleConfig,
) -> Sample:
    """Return normalised motion (b, t, m) and keyframe tracks (b, t); see
    `models.system.System.sample`.
    """
    frames, joint = speech.mask.shape[1], speech.joint
    prepare = partial(prepared, network, params, options=options)
    if joint is None:
        condition, tracks = prepare(speech, keys, first)
    else:
        rows = (speech._replace(held=None, joint=None), keys, first)
        condition, tracks = row_by_row(lambda row: prepare(*row), rows, joint.present)
        of_row = partial(owned, joint=joint, mask=speech.mask)
        bits = jax.tree.map(of_row, condition.keyframes)
        condition = condition._replace(keyframes=bits, present=joint.present)

    noise = initial_noise(keys, first, frames, options=options)
    schedule, sampler = network.config.diffusion, sampler_of(options.sampler, eta=options.eta)
    steps = sampling_steps(schedule, steps=options.steps, spacing=options.spacing)
    motion = jnp.zeros_like(noise)
    for name, dims in generator_dims(network.config).items():

        def draw(step, name=name, dims=dims):
            return frame_noise(streams(keys, f"sampler {name}", step), first, frames, (len(dims),))

        of_path = partial(path_denoiser, network, params, name, speech=speech, options=options)
        denoise, start, dims = of_path(condition), noise[..., jnp.array(dims)], jnp.array(dims)
        if speech.held is not None:
            held = speech.held
            unedited = {
                track: held.keyframes[..., TRACKS.index(track)] for track in condition.keyframes
            }
            denoise = side_by_side(
                of_path(condition._replace(keyframes=unedited)),
                denoise,
                held.motion[..., dims],
                pinned=held.pinned[..., dims],
                free=held.free,
            )
            start, draw = twice(start), lambda step, draw=draw: twice(draw(step))
        if joint is not None:
            kept = [joint.motion] if speech.held is None else [joint.unedited, joint.motion]
            kept = jnp.concatenate([motion[..., dims] for motion in kept], axis=-1)
            denoise = jointly(denoise, joint, kept, mask=speech.mask)
        path = sampler(denoise, start, draw, steps=steps)
        motion = motion.at[..., dims].set(path[..., -len(dims) :])
    return Sample(motion, tracks)


def prepared(
    network: Network,
    params: PyTree,
    speech: Speech,
    keys: Key[Array, "b"] | Given,
    first: Int[Array, "b"],
    *,
    options: SampleConfig,
) -> tuple[Condition, dict[str, Shaped[Array, "b t"]]]:
    """Return what does not depend on the diffusion step, and the tracks of the sample."""
    frames = speech.mask.shape[1]
    nothing = jnp.zeros(len(speech.mask), bool)
    style = style_of_options(network, options, batch=len(nothing))
    if options.causal:
        speech = speech._replace(causal=~nothing)
    encoded = encode(network, params, speech, nothing, style=style)
    tracks, bits = {}, {}
    for track in keyframe_tracks(network.config):
        uniform = frame_uniform(streams(keys, f"keyframes {track}"), first, frames)
        threshold = keyframe_threshold(options, uniform)
        found, score, _ = decode_keyframes(
            network, params, track, encoded, threshold, decoder=options.keyframe_decoder
        )
        if speech.keyframes is not None:
            found = placed_keyframes(speech.keyframes[..., TRACKS.index(track)], found)
        bits[track] = found.astype(jnp.int32)
        tracks |= {f"keyframes_{track}": found, f"keyframe_score_{track}": score}
    guided = any(options.guidance_of(name) != 1.0 for name in generator_dims(network.config))
    unguided = encode(network, params, speech, ~nothing, style=style) if guided else None
    return Condition(encoded, unguided, bits, style), tracks


def initial_noise(
    keys: Key[Array, "b"] | Given, first: Int[Array, "b"], frames: int, *, options: SampleConfig
) -> Float[Array, "b t m"]:
    """Return x_T of every motion number."""
    noise = frame_noise(streams(keys, "noise"), first, frames, (MOTION_DIMS,))
    lips = jnp.array(options.lip_dims, jnp.int32)
    return noise.at[..., lips].multiply(options.lip_temperature)


def twice(values: Float[Array, "b t c"]) -> Float[Array, "b t c2"]:
    """Return the values of both samples of an edit, which are the same."""
    return jnp.concatenate([values, values], axis=-1)


def path_denoiser(
    network: Network,
    params: PyTree,
    name: str,
    condition: Condition,
    *,
    speech: Speech,
    options: SampleConfig,
) -> Denoiser:
    """Return x̂₀ of the generator `name`, guided and with its share of the regression."""
    denoise = guided_denoiser(network, params, name, condition, options=options)
    share, gain = options.regression()
    if not share or name != expression_generator(network.config):
        return denoise
    heard = audible(speech.audio, speech.mask.shape[1])
    weight = regression_weight(network.config, options, share * heard)
    return blended_denoiser(denoise, condition.encoded, weight, gain=gain)


def style_of_options(
    network: Network, options: SampleConfig, *, batch: int
) -> Int[Array, "b"] | None:
    """Return the style of the options for each clip; None if the model has no styles."""
    styles = network.config.generator.styles
    return jnp.full(batch, style_number(options.style, styles), jnp.int32) if styles else None


def encode(
    network: Network,
    params: PyTree,
    speech: Speech,
    drop: Bool[Array, "b"],
    *,
    style: Int[Array, "b"] | None = None,
) -> Encoded:
    """Return the features of speech and transcript; the transcript is dropped for the clips of
    `drop`.
    """
    return network.apply(
        {"params": params},
        speech,
        drop_transcript=drop,
        deterministic=True,
        style=style,
        method=Network.encode,
    )


def guided_denoiser(
    network: Network, params: PyTree, name: str, condition: Condition, *, options: SampleConfig
) -> Denoiser:
    """Return x̂₀ of the generator `name` as a function of noisy coefficients and step, in the style
    of the condition.

    The function guides the conditional prediction away from one without speech by the scale
    `options.guidance_of(name)`, and away from one that knows the speech but not the keyframes by
    the scale `options.keyframe_guidance`. It is the plain conditional model if both are 1.
    """
    style = condition.style

    def given(encoded: Encoded, keyframes: dict[str, Int[Array, "b t"]], *, drop: bool) -> PyTree:
        memory = network.apply(
            {"params": params},
            name,
            encoded,
            keyframes,
            drop_speech=jnp.full(len(encoded.mask), drop),
            method=Network.generator_memory,
        )
        others = {"mask": encoded.mask, "text_mask": encoded.text_mask, "causal": encoded.causal}
        return memory, others | {"style": style}

    def predict(noisy: Float[Array, "b t c"], step: Int[Array, ""], condition: PyTree):
        memory, others = condition
        arrays = (name, noisy, jnp.full(len(noisy), step), memory)
        settings = {"deterministic": True, "method": Network.denoise}
        return network.apply({"params": params}, *arrays, **others, **settings)

    conditions = [
        given(condition.unguided if drop else condition.encoded, bits, drop=drop)
        for bits, drop in guidance_conditions(options, name, condition.keyframes)
    ]
    together = one_batch(network.execution.batch_guidance)
    predictions = under_each(predict, conditions, together=together)

    def denoise(noisy: Float[Array, "b t c"], step: Int[Array, ""]) -> Float[Array, "b t c"]:
        return guided_prediction(predictions(noisy, step), options, name)

    def denoise_row(row: PyTree) -> Float[Array, "1 t c"]:
        noisy, step, conditions = row
        predictions = [predict(noisy, step[0], condition) for condition in conditions]
        return guided_prediction(predictions, options, name)

    def in_turn(noisy: Float[Array, "b t c"], step: Int[Array, ""]) -> Float[Array, "b t c"]:
        rows = (noisy, jnp.full(len(noisy), step), conditions)
        return row_by_row(denoise_row, rows, condition.present)

    return denoise if condition.present is None else in_turn


def guidance_conditions(
    options: SampleConfig, name: str, bits: dict[str, Int[Array, "b t"]]
) -> list[tuple[dict[str, Int[Array, "b t"]], bool]]:
    """Return the keyframes, and whether speech is dropped, of each prediction that the guidance of
    a generator uses: the conditional one, without speech, without keyframes.
    """
    found = [(bits, False)]
    if options.guidance_of(name) != 1.0:
        found.append((bits, True))
    if options.keyframe_guidance != 1.0 and bits:
        found.append(({track: jnp.full_like(a, UNKNOWN_BIT) for track, a in bits.items()}, False))
    return found


def guided_prediction(
    predictions: Sequence[Float[Array, "b t c"]], options: SampleConfig, name: str
) -> Float[Array, "b t c"]:
    """Return the guided x̂₀ of predictions under `guidance_conditions`."""
    plain, *others = predictions
    clean, scale = plain, options.guidance_of(name)
    if scale != 1.0:
        clean = guide(plain, others.pop(0), scale=scale)
    if others:
        clean = clean + (options.keyframe_guidance - 1.0) * (plain - others.pop())
    return clean


def blended_denoiser(
    denoise: Denoiser, encoded: Encoded, weight: Float[Array, "b t c"], *, gain: float
) -> Denoiser:
    """Return the denoiser with the share `weight` of the amplified regression."""
    regressed = amplified(encoded.regression, encoded.mask, gain=gain, causal=encoded.causal)

    def blended(noisy: Float[Array, "b t c"], step: Int[Array, ""]) -> Float[Array, "b t c"]:
        return (1 - weight) * denoise(noisy, step) + weight * regressed

    return blended


def regression_weight(
    config: ModelConfig, options: SampleConfig, share: Float[Array, "b t"]
) -> Float[Array, "b t c"]:
    """Return the weight of the regression in x̂₀: its share of each frame where the mouth moves."""
    dims = jnp.array(generator_dims(config)[expression_generator(config)])
    return share[..., None] * jnp.isin(dims, jnp.array(options.lip_dims, jnp.int32))


def audible(audio: Float[Array, "b s"], frames: int) -> Float[Array, "b t"]:
    """Return 0 where a frame and the four before it are below -65 dB of full scale, 1 where all
    are above -55 dB. A regression does not close the mouth in silence, which its real faces lack.
    """
    power = jnp.square(audio.reshape(len(audio), frames, -1)).mean(axis=-1)
    share = jnp.clip((10 * jnp.log10(power + 1e-12) + 65) / 10, 0.0, 1.0)
    total = jnp.cumsum(jnp.pad(share, ((0, 0), (5, 0))), axis=1)
    return (total[:, 5:] - total[:, :-5]) / jnp.minimum(jnp.arange(frames) + 1, 5)


def amplified(
    regression: Float[Array, "b t c"],
    mask: Bool[Array, "b t"],
    *,
    gain: float,
    causal: Bool[Array, "b"] | None,
) -> Float[Array, "b t c"]:
    """Return m + gain · (r − m), where m is the mean of r over the valid frames of a clip, and over
    those up to a frame in a causal clip.
    """
    valid = mask[..., None]
    total = jnp.cumsum(jnp.where(valid, regression, 0.0), axis=1)
    running = total / jnp.maximum(jnp.cumsum(valid, axis=1), 1)
    mean = running[:, -1:]
    if causal is not None:
        mean = jnp.where(causal[:, None, None], running, mean)
    return mean + gain * (regression - mean)


def placed_keyframes(given: Int[Array, "b t"], found: Bool[Array, "b t"]) -> Bool[Array, "b t"]:
    """Return the bits given by hand where there are any, and those found elsewhere."""
    return jnp.where(given == PREDICTED, found, given > 0)


def keyframe_threshold(options: SampleConfig, uniform: Float[Array, "b t"]) -> Float[Array, "b t"]:
    """Return the thresholds for the probabilities of keyframes: a constant, or the `uniform`
    numbers for Bernoulli decoding.
    """
    if options.keyframe_decoding == "bernoulli":
        return uniform
    return jnp.full_like(uniform, options.keyframe_threshold)
