"""DDIM (Song et al. 2021, Eq. 12) for a model that predicts the clean signal, as one `lax.scan`.

    ε = (x − √ᾱ x̂₀) / √(1 − ᾱ)
    σ = η √((1 − ᾱ') / (1 − ᾱ)) √(1 − ᾱ / ᾱ')
    x' = √ᾱ' x̂₀ + √(1 − ᾱ' − σ²) ε + σ z

where ᾱ' is the value after the step. After the last step ᾱ' = 1 and x' equals x̂₀: the output
contains no noise.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ksdiff_jax.diffusion.process import implied_noise
from ksdiff_jax.diffusion.schedule import SamplingSteps
from ksdiff_jax.typing import Array, Float, Int

Denoiser = Callable[[Float[Array, "b *n"], Int[Array, ""]], Float[Array, "b *n"]]
Noise = Callable[[Int[Array, ""]], Float[Array, "b *n"]]  # standard normal


def ddim(
    denoise: Denoiser,
    noise: Float[Array, "b *n"],
    draw: Noise,
    *,
    steps: SamplingSteps,
    eta: float = 0.0,
) -> Float[Array, "b *n"]:
    """Return a sample from the model `denoise(noisy, step) -> x̂₀`, starting at `noise`;
    `draw(step) -> z` is called only if η > 0.
    """

    def visit(noisy, info):
        step, alpha_bar, alpha_bar_next = info
        clean = denoise(noisy, step)
        epsilon = implied_noise(noisy, clean, alpha_bar)
        sigma = eta * jnp.sqrt(
            (1 - alpha_bar_next) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_next)
        )
        direction = jnp.sqrt(jnp.maximum(1 - alpha_bar_next - sigma**2, 0.0))
        following = jnp.sqrt(alpha_bar_next) * clean + direction * epsilon
        if eta > 0:
            following += sigma * draw(step)
        return following, None

    infos = jax.tree.map(jnp.asarray, tuple(steps))
    return jax.lax.scan(visit, noise, infos)[0]
