"""From motion and a reference to the latents of frames, by default with DDIM (Eq. 5).

    J_T = noise, the same for all frames of a clip with `shared_noise` (R)
    x̂₀  = θ(J_t, t, ∅, x) + s (θ(J_t, t, {β, p}, x) − θ(J_t, t, ∅, x))    s = `guidance`, 1 here
    J₀  = sampler(J_T, x̂₀)                                                diffusion/samplers.py

The frames of all clips are one batch. Keys and values of the conditions are computed once for all
steps, those of the reference once for all frames of a clip.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ksdiff_jax.diffusion.guidance import guide
from ksdiff_jax.diffusion.samplers import sampler_of
from ksdiff_jax.diffusion.schedule import sampling_steps
from ksdiff_jax.models.fd2talk.frames.config import SampleConfig
from ksdiff_jax.models.fd2talk.frames.network import Network
from ksdiff_jax.rng import frame_noise, streams
from ksdiff_jax.typing import Array, Float, Int, Key, PyTree


def sample_latents(
    network: Network,
    params: PyTree,
    motion: Float[Array, "b t m"],
    reference: Float[Array, "b h w d"],
    noise_of: tuple[Key[Array, "b"], Int[Array, "b"]],
    *,
    options: SampleConfig,
) -> Float[Array, "b t h w d"]:
    """Return scaled latents of the frames of normalised `motion`; `noise_of` is the key of each
    clip and the index of its first frame, which determine its random numbers.
    """
    (keys, first), (clips, frames) = noise_of, motion.shape[:2]
    schedule, sampler = network.config.diffusion, sampler_of(options.sampler, eta=options.eta)
    steps = sampling_steps(schedule, steps=options.steps, spacing=options.spacing)
    shape, variables = reference.shape[1:], {"params": params}

    def drawn(name: str, step: Int[Array, ""] | None = None) -> Float[Array, "b h w d"]:
        if options.shared_noise:
            noise = frame_noise(streams(keys, name, step), jnp.zeros_like(first), 1, shape)
            noise = jnp.broadcast_to(noise, (clips, frames, *shape))
        else:
            noise = frame_noise(streams(keys, name, step), first, frames, shape)
        return noise.reshape(clips * frames, *shape)

    def memories(drop: bool) -> list:
        flat = motion.reshape(clips * frames, -1)
        dropped = jnp.full(len(flat), drop)
        found = network.apply(variables, flat, reference, dropped, method=Network.conditions)
        return network.apply(variables, found, method=Network.memories)

    guided = options.guidance != 1.0
    conditioned, unconditioned = memories(False), memories(True) if guided else None

    def denoise(noisy: Array, step: Int[Array, ""]) -> Array:
        each = jnp.full(len(noisy), step)
        found = [
            network.apply(variables, noisy, each, memory, method=Network.denoise)
            for memory in (conditioned, unconditioned)
            if memory is not None
        ]
        return guide(*found, scale=options.guidance) if guided else found[0]

    latents = sampler(denoise, drawn("noise"), lambda step: drawn("sampler", step), steps=steps)
    return latents.reshape(clips, frames, *shape)


def decode_frames(
    decode: Callable[[Array, Array], Array],
    latents: Float[Array, "b t h w d"],
    reference: Float[Array, "b h w d"],
) -> Float[Array, "b t h2 w2 3"]:
    """Return `decode(latents, reference)` of all frames; the frames of a clip are decoded in turn,
    which bounds the memory.
    """
    frames = jnp.swapaxes(latents, 0, 1)
    return jnp.swapaxes(jax.lax.map(lambda frame: decode(frame, reference), frames), 0, 1)
