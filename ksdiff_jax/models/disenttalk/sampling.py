"""From speech to normalised motion: encode once, denoise, decode.

    Z_T = frame noise (channels of the lips scaled by `lip_temperature`)
    ε   = s ε_θ(Z_n, n, A) + (1 − s) ε_θ(Z_n, n, ∅)                             (Eq. 9)
    Z_0 = (Z_n − √(1 − ᾱ_n) ε) / √ᾱ_n
    Z   = sampler(Z_T, Z_0),   E = decode(Z)                    diffusion/samplers.py

The head pose is not generated: it is the mean of the data, 0 when normalised. All random numbers
depend on the clip and the frame only (`rng.frame_keys`).
"""

import jax.numpy as jnp

from ksdiff_jax.diffusion.config import TEACHER
from ksdiff_jax.diffusion.distillation import Path
from ksdiff_jax.diffusion.guidance import guide, one_batch, under_each
from ksdiff_jax.diffusion.process import implied_clean
from ksdiff_jax.diffusion.sample import Denoiser
from ksdiff_jax.diffusion.samplers import sampler_of
from ksdiff_jax.diffusion.schedule import alpha_bars, sampling_steps
from ksdiff_jax.models.disenttalk.config import Config, ModelConfig, SampleConfig
from ksdiff_jax.models.disenttalk.latent import Regions, channels_of, latent_widths
from ksdiff_jax.models.disenttalk.network import Network
from ksdiff_jax.models.disenttalk.regions import LIP
from ksdiff_jax.motion.space import MotionSpace, expression_columns
from ksdiff_jax.rng import frame_noise, streams
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import Array, Float, Int, Key, PyTree


def sample_normalised(
    network: Network,
    params: PyTree,
    speech: Speech,
    keys: Key[Array, "b"],
    first: Int[Array, "b"],
    *,
    space: MotionSpace,
    options: SampleConfig,
) -> Float[Array, "b t m"]:
    """Return normalised motion (b, t, m); see `models.system.System.sample`."""
    frames, config = speech.mask.shape[1], network.config
    noise = initial_noise(network, keys, first, frames, options=options)

    def draw(step):
        return frame_noise(streams(keys, "sampler", step), first, frames, noise.shape[2:])

    steps = sampling_steps(config.diffusion, steps=options.steps, spacing=options.spacing)
    denoise = guided_denoiser(network, params, speech, guidance=options.guidance)
    latent = sampler_of(options.sampler, eta=options.eta)(denoise, noise, draw, steps=steps)
    expression = network.apply({"params": params}, latent, method=Network.decode_motion)
    motion = jnp.zeros((*speech.mask.shape, space.width), jnp.float32)
    return motion.at[..., expression_columns(space)].set(expression)


def initial_noise(
    network: Network,
    keys: Key[Array, "b"],
    first: Int[Array, "b"],
    frames: int,
    *,
    options: SampleConfig,
) -> Float[Array, "b t z"]:
    """Return Z_T of every channel."""
    given = {"lip_temperature": options.lip_temperature}
    scale = noise_scale(network.config, network.regions, **given)
    return scale * frame_noise(streams(keys, "noise"), first, frames, scale.shape)


def distilled_paths(
    network: Network, params: PyTree, speech: Speech, keys: Key[Array, "b"], *, config: Config
) -> dict[str, Path]:
    """Return student, teacher and initial noise of the denoiser; `params["teacher"]` is the
    teacher's (models/distilled.py).
    """
    frames, first = speech.mask.shape[1], jnp.zeros(len(speech.mask), jnp.int32)
    noise = initial_noise(network, keys, first, frames, options=config.sample)
    student = guided_denoiser(network, params, speech, guidance=config.sample.guidance)
    own = params | params[TEACHER]
    teacher = guided_denoiser(network, own, speech, guidance=config.distill.guidance)
    return {"motion": Path(student, teacher, noise)}


def guided_denoiser(
    network: Network, params: PyTree, speech: Speech, *, guidance: float
) -> Denoiser:
    """Return Z_0 as a function of Z_n and n, with guidance of Eq. 9."""
    variables = {"params": params}
    encoded = network.apply(variables, speech, method=Network.encode_speech)

    def given(*, drop: bool) -> PyTree:
        drops = jnp.full(len(speech.mask), drop)
        return network.apply(variables, encoded, drop=drops, method=Network.memory), speech.mask

    def predict(noisy: Float[Array, "b t z"], step: Int[Array, ""], condition: PyTree):
        memory, mask = condition
        arrays = (noisy, jnp.full(len(noisy), step), memory)
        return network.apply(variables, *arrays, mask=mask, method=Network.denoise)

    conditions = [given(drop=drop) for drop in ((False, True) if guidance != 1.0 else (False,))]
    together = one_batch(network.execution.batch_guidance)
    predictions = under_each(predict, conditions, together=together)
    levels = jnp.asarray(alpha_bars(network.config.diffusion))

    def denoise(noisy, step):
        noise, *unconditional = predictions(noisy, step)
        if unconditional:
            noise = guide(noise, *unconditional, scale=guidance)
        return implied_clean(noisy, noise, levels[step])

    return denoise


def noise_scale(
    config: ModelConfig, regions: Regions, *, lip_temperature: float
) -> Float[Array, "z"]:
    """Return the standard deviation of the initial noise of every channel; without a lip region it
    is `lip_temperature` for all.
    """
    widths = latent_widths(config, regions)
    if LIP not in regions:
        return jnp.full(sum(widths.values()), lip_temperature)
    return jnp.ones(sum(widths.values())).at[channels_of(widths, LIP)].set(lip_temperature)
