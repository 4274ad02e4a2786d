"""From latents and motion to the loss of the UNet, per frame.

    J_t = √ᾱ_t J₀ + √(1 − ᾱ_t) ε                        J₀ the latent of the frame        (Eq. 2)
    L   = mean |J₀ − θ_unet(J_t, t, {β, p}, x)|²         x the latent of the reference     (Eq. 3)

Each row is one frame of a clip and a reference, another frame of the same clip. The motion of a row
is dropped with a probability, for guidance (R).
"""

import jax.numpy as jnp

from ksdiff_jax.diffusion.process import add_noise
from ksdiff_jax.diffusion.schedule import alpha_bars
from ksdiff_jax.models.fd2talk.frames.network import Network
from ksdiff_jax.models.system import Terms
from ksdiff_jax.models.training_noise import drawn_flags, drawn_noise
from ksdiff_jax.typing import Array, Float, Key, PyTree


def latent_terms(
    network: Network,
    params: PyTree,
    latents: tuple[Float[Array, "b h w d"], Float[Array, "b h w d"]],
    motion: Float[Array, "b m"],
    keys: Key[Array, "b"],
    *,
    train: bool,
) -> Terms:
    """Return L of each row from scaled latents of the reference and of the frame, and the
    normalised motion of the frame. With `train=False` no motion is dropped.
    """
    diffusion, variables = network.config.diffusion, {"params": params}
    reference, clean = latents
    probability = diffusion.condition_drop_probability if train else 0.0
    drop = drawn_flags(keys, "condition drop", probability)
    step, noise = drawn_noise(keys, clean.shape[1:], steps=diffusion.steps)
    noisy = add_noise(clean, noise, jnp.asarray(alpha_bars(diffusion))[step])
    conditions = network.apply(variables, motion, reference, drop, method=Network.conditions)
    predicted = network.apply(variables, noisy, step, conditions, method=Network.denoise)
    return {"latent": jnp.mean((predicted - clean) ** 2, axis=(1, 2, 3))}
