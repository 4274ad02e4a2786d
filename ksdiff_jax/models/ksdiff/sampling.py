"""From speech to motion: encode once, place the keyframes, denoise with DDIM.

Everything that does not depend on the diffusion step (speech features, transcript, keyframes, all
keys and values of cross-attention) is computed before the sampling loop.
"""

import jax
import jax.numpy as jnp

from ksdiff_jax.config import Config
from ksdiff_jax.diffusion.guidance import guide
from ksdiff_jax.diffusion.sample import ddim
from ksdiff_jax.diffusion.schedule import sampling_steps
from ksdiff_jax.models.ksdiff.config import SampleConfig
from ksdiff_jax.models.ksdiff.keyframe_predictor import (
    BEGIN_BIT,
    PredictorMemory,
    empty_caches,
    pad_speech,
)
from ksdiff_jax.models.ksdiff.network import (
    Encoded,
    Network,
    compute_dtype,
    generator_dims,
    keyframe_tracks,
)
from ksdiff_jax.models.ksdiff.normalisation import denormalise
from ksdiff_jax.models.system import Sample, Speech, Statistics
from ksdiff_jax.motion.layout import MOTION_DIMS
from ksdiff_jax.rng import stream
from ksdiff_jax.typing import Array, Bool, Float, Key, PyTree


def sample_motion(
    network: Network,
    params: PyTree,
    speech: Speech,
    noise: Float[Array, "b t 59"],
    key: Key[Array, ""],
    *,
    config: Config,
    statistics: Statistics,
    options: SampleConfig,
) -> Sample:
    """Motion and keyframes for a batch of speech; see `models.system.System.sample`."""
    model, mask = config.model, speech.mask
    nothing = jnp.zeros(mask.shape[0], bool)
    variables = {"params": params}

    def encode(drop: Bool[Array, "b"]) -> Encoded:
        return network.apply(
            variables, speech, drop_transcript=drop, deterministic=True, method=Network.encode
        )

    encoded = encode(nothing)
    bits, scores = {}, {}
    for track in keyframe_tracks(model):
        bits[track], scores[track] = decode_keyframes(
            network,
            params,
            track,
            encoded,
            stream(key, f"keyframes {track}"),
            config=config,
            options=options,
        )
    shown = {track: value.astype(jnp.int32) for track, value in bits.items()}
    unguided = encode(~nothing) if options.guidance != 1.0 else None

    noise = noise.at[..., jnp.array(options.lip_dims, jnp.int32)].multiply(options.lip_temperature)
    motion = jnp.zeros((*mask.shape, MOTION_DIMS))
    for name, dims in generator_dims(model).items():
        dims = jnp.array(dims)
        path = _sample_path(
            network,
            params,
            name,
            noise[..., dims],
            encoded,
            unguided,
            shown,
            key,
            config=config,
            options=options,
        )
        motion = motion.at[..., dims].set(path)
    motion = jnp.where(mask[..., None], denormalise(motion, statistics), 0.0)

    none = jnp.zeros(mask.shape)
    return Sample(
        motion=motion.astype(jnp.dtype(model.output_dtype)),
        keyframes_expression=bits.get("expression", none > 0),
        keyframes_head=bits.get("head", none > 0),
        keyframe_score_expression=scores.get("expression", none),
        keyframe_score_head=scores.get("head", none),
    )


def _sample_path(
    network: Network,
    params: PyTree,
    name: str,
    noise: Float[Array, "b t c"],
    encoded: Encoded,
    unguided: Encoded | None,
    keyframes: dict[str, Array],
    key: Key[Array, ""],
    *,
    config: Config,
    options: SampleConfig,
) -> Float[Array, "b t c"]:
    """Normalised coefficients of one generator."""
    batch = noise.shape[0]

    def conditioned(condition: Encoded, *, drop: bool):
        memory = network.apply(
            {"params": params},
            name,
            condition,
            keyframes,
            drop_speech=jnp.full(batch, drop),
            method=Network.generator_memory,
        )

        def denoise(noisy, step):
            return network.apply(
                {"params": params},
                name,
                noisy,
                jnp.full(batch, step),
                memory,
                mask=condition.mask,
                text_mask=condition.text_mask,
                deterministic=True,
                method=Network.denoise,
            )

        return denoise

    conditional = conditioned(encoded, drop=False)
    denoise = conditional
    if unguided is not None:
        unconditional = conditioned(unguided, drop=True)

        def denoise(noisy, step):
            return guide(
                conditional(noisy, step), unconditional(noisy, step), scale=options.guidance
            )

    steps = sampling_steps(config.model.diffusion, steps=options.steps)
    return ddim(denoise, noise, stream(key, f"sampler {name}"), steps=steps, eta=options.eta)


def decode_keyframes(
    network: Network,
    params: PyTree,
    track: str,
    encoded: Encoded,
    key: Key[Array, ""],
    *,
    config: Config,
    options: SampleConfig,
) -> tuple[Bool[Array, "b t"], Float[Array, "b t"]]:
    """Autoregressive keyframe bits of a track and their probabilities: one scan, keys and values
    cached.

    Greedy decoding thresholds each probability at `options.keyframe_threshold`; Bernoulli decoding
    draws from it.
    """
    model, variables = config.model, {"params": params}
    window = model.keyframes.window_frames
    batch, frames = encoded.mask.shape
    memory = network.apply(variables, track, encoded, method=Network.predictor_memory)
    memory = PredictorMemory(
        jax.tree.map(lambda a: pad_speech(a, window=window), memory.speech), memory.transcript
    )
    mask = pad_speech(encoded.mask, window=window)
    features = jnp.moveaxis(getattr(encoded.features, track), 1, 0)

    def visit(carry, inputs):
        previous, caches = carry
        frame, feature = inputs
        logit, caches = network.apply(
            variables,
            track,
            previous,
            feature,
            caches,
            memory,
            frame,
            mask=mask,
            text_mask=encoded.text_mask,
            method=Network.keyframe_step,
        )
        probability = jax.nn.sigmoid(logit)
        if options.keyframe_decoding == "bernoulli":
            bit = jax.random.uniform(stream(key, "bit", frame), (batch,)) < probability
        else:
            bit = probability > options.keyframe_threshold
        return (bit.astype(jnp.int32), caches), (bit, probability)

    start = (
        jnp.full(batch, BEGIN_BIT),
        empty_caches(model, batch=batch, dtype=compute_dtype(model)),
    )
    _, (bits, probabilities) = jax.lax.scan(visit, start, (jnp.arange(frames), features))
    return jnp.moveaxis(bits, 0, 1) & encoded.mask, jnp.moveaxis(probabilities, 0, 1) * encoded.mask
