"""DPM-Solver++(2M) (Lu et al. 2022, Algorithm 2): the multistep solver of second order for a model
that predicts the clean signal, as one `lax.scan`.

With α = √ᾱ, σ = √(1 − ᾱ), half the log-SNR λ = log(α / σ), h = λ' − λ and r = h_previous / h:

    D  = (1 + 1 / (2 r)) x̂₀ − 1 / (2 r) x̂₀_previous
    x' = σ' / σ x − α' (e^{−h} − 1) D

The first step has no previous prediction, and after the last one h is infinite: both are of first
order, D = x̂₀, which is a step of DDIM with η = 0. The output contains no noise.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.diffusion.sample import Denoiser, Noise
from ksdiff_jax.diffusion.schedule import SamplingSteps, half_log_snr
from ksdiff_jax.typing import Array, Float


def dpm_solver_pp_2m(
    denoise: Denoiser, noise: Float[Array, "b *n"], draw: Noise, *, steps: SamplingSteps
) -> Float[Array, "b *n"]:
    """Return a sample from the model `denoise(noisy, step) -> x̂₀`, starting at `noise`; `draw` is
    not called.
    """
    del draw
    factors = jnp.asarray(_factors(steps), noise.dtype)

    def visit(carry, info):
        noisy, previous = carry
        step, (of_noisy, of_clean, of_previous) = info
        clean = denoise(noisy, step)
        following = of_noisy * noisy + of_clean * clean + of_previous * previous
        return (following, clean), None

    start = (noise, jnp.zeros_like(noise))
    return jax.lax.scan(visit, start, (jnp.asarray(steps.step), factors))[0][0]


def _factors(steps: SamplingSteps) -> Float[np.ndarray, "n 3"]:
    """Return the factors of x, x̂₀ and the previous x̂₀ in x' of every step."""
    now, then = half_log_snr(steps.alpha_bar), half_log_snr(steps.alpha_bar_next)
    h = then - now
    alpha = np.sqrt(np.asarray(steps.alpha_bar_next, np.float64))
    sigmas = [np.sqrt(1 - np.asarray(a, np.float64)) for a in steps[1:]]
    reach = -alpha * np.expm1(-h)
    second = np.zeros_like(h)  # 1 / (2 r)
    second[1:] = np.where(np.isfinite(h[1:]), h[1:] / (2 * h[:-1]), 0.0)
    return np.stack([sigmas[1] / sigmas[0], reach * (1 + second), -reach * second], axis=1)
