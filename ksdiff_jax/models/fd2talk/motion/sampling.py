"""From speech to normalised motion: encode once, denoise both parts, by default with DDIM (Eq. 5).

    x_T = frame noise, that of the expression scaled by `lip_temperature`
    x̂₀  = θ(x_t, t, ∅) + s (θ(x_t, t, A) − θ(x_t, t, ∅))       s = `guidance`, 1 in the paper
    x   = sampler(x_T, x̂₀)                                     diffusion/samplers.py

Eq. 5 is printed with σ² outside of the root; DDIM's (Song et al. 2021, Eq. 12) is computed (R). The
coefficients that no transformer generates are the mean of the data, 0 when normalised. All random
numbers depend on the clip and the frame only (`rng.frame_keys`).
"""

import jax.numpy as jnp

from ksdiff_jax.diffusion.config import TEACHER
from ksdiff_jax.diffusion.distillation import Path
from ksdiff_jax.diffusion.guidance import guide
from ksdiff_jax.diffusion.sample import Denoiser
from ksdiff_jax.diffusion.samplers import sampler_of
from ksdiff_jax.diffusion.schedule import sampling_steps
from ksdiff_jax.models.fd2talk.motion.config import Config, SampleConfig
from ksdiff_jax.models.fd2talk.motion.network import Generators, Network
from ksdiff_jax.motion.space import MotionSpace, expression_columns
from ksdiff_jax.rng import frame_noise, streams
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import Array, Float, Int, Key, PyTree


def sample_normalised(
    generators: Generators,
    params: PyTree,
    speech: Speech,
    keys: Key[Array, "b"],
    first: Int[Array, "b"],
    *,
    options: SampleConfig,
) -> Float[Array, "b t m"]:
    """Return normalised motion (b, t, m); see `models.system.System.sample`."""
    network, space, parts = generators
    frames = speech.mask.shape[1]
    schedule, sampler = network.config.diffusion, sampler_of(options.sampler, eta=options.eta)
    steps = sampling_steps(schedule, steps=options.steps, spacing=options.spacing)
    denoisers = guided_denoisers(network, params, speech, guidance=options.guidance)
    noise = initial_noise(keys, first, frames, space=space, options=options)
    motion = jnp.zeros_like(noise)
    for name, columns in parts.items():
        columns = jnp.array(columns)

        def draw(step, name=name, columns=columns):
            drawn = streams(keys, f"sampler {name}", step)
            return frame_noise(drawn, first, frames, (len(columns),))

        denoise = denoisers[name]
        clean = sampler(denoise, noise[..., columns], draw, steps=steps)
        motion = motion.at[..., columns].set(clean)
    return motion


def initial_noise(
    keys: Key[Array, "b"],
    first: Int[Array, "b"],
    frames: int,
    *,
    space: MotionSpace,
    options: SampleConfig,
) -> Float[Array, "b t m"]:
    """Return x_T of every motion number."""
    noise = frame_noise(streams(keys, "noise"), first, frames, (space.width,))
    return noise.at[..., expression_columns(space)].multiply(options.lip_temperature)


def distilled_paths(
    generators: Generators,
    params: PyTree,
    speech: Speech,
    keys: Key[Array, "b"],
    *,
    config: Config,
) -> dict[str, Path]:
    """Return student, teacher and initial noise of every transformer by its name;
    `params["teacher"]` are the teacher's transformers (models/distilled.py).
    """
    network, space, parts = generators
    frames, first = speech.mask.shape[1], jnp.zeros(len(speech.mask), jnp.int32)
    noise = initial_noise(keys, first, frames, space=space, options=config.sample)
    student = guided_denoisers(network, params, speech, guidance=config.sample.guidance)
    own = params | params[TEACHER]
    teacher = guided_denoisers(network, own, speech, guidance=config.distill.guidance)
    return {
        name: Path(student[name], teacher[name], noise[..., jnp.array(columns)])
        for name, columns in parts.items()
    }


def guided_denoisers(
    network: Network, params: PyTree, speech: Speech, *, guidance: float
) -> dict[str, Denoiser]:
    """Return x̂₀ of every transformer, by name, as a function of noisy coefficients and step."""
    variables = {"params": params}
    encoded = network.apply(variables, speech, method=Network.encode_speech)
    nothing = jnp.ones(len(speech.mask), bool)
    dropped = network.apply(variables, encoded, nothing, method=Network.dropped)

    def denoiser(name: str) -> Denoiser:
        def clean_of(condition, noisy, step):
            arrays = (name, noisy, jnp.full(len(noisy), step), condition)
            return network.apply(variables, *arrays, mask=speech.mask, method=Network.denoise)

        def denoise(noisy, step):
            clean = clean_of(encoded, noisy, step)
            if guidance != 1.0:
                clean = guide(clean, clean_of(dropped, noisy, step), scale=guidance)
            return clean

        return denoise

    return {name: denoiser(name) for name in network.channels}
