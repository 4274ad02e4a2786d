"""UniPC (Zhao et al. 2023): a predictor and a corrector for a model that predicts the clean signal,
multistep, as one `lax.scan`.

With α = √ᾱ, σ = √(1 − ᾱ), half the log-SNR λ = log(α / σ), h = λ' − λ, r_m = (λ_m − λ) / h and
D_m = x̂₀_m − x̂₀ for some other prediction x̂₀_m at λ_m:

    x' = σ' / σ x − α' (e^{−h} − 1) x̂₀ − α' B(h) Σ_m ρ_m D_m / r_m
    Σ_m ρ_m r_m^{n − 1} = n! (−h) φ_{n+1}(−h) / B(h),   n = 1, 2 ...
    φ_1(z) = (e^z − 1) / z,   φ_{n+1}(z) = (φ_n(z) − 1 / n!) / z

(their Eq. 3 to 9 in the form for x̂₀). With one D_m, ρ is 1/2 whatever h is, as in the paper. The
predictor UniP-p uses p − 1 earlier predictions. The corrector UniC-p adds the one at λ', which the
model makes of the predicted x' and which the next step needs anyway: it costs no evaluation and
raises the order of accuracy from p to p + 1.

    B(h) is −h ("bh1") or e^{−h} − 1 ("bh2")

The first steps have the order that the earlier predictions allow. After the last step h is
infinite; it is of first order, which is a step of DDIM with η = 0. The output contains no noise.
UniP-2 with "bh2" alone is DPM-Solver++(2M).
"""

import math
from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.diffusion.sample import Denoiser, Noise
from ksdiff_jax.diffusion.schedule import SamplingSteps, half_log_snr
from ksdiff_jax.typing import Array, Float

Variant = Literal["bh1", "bh2"]


def unipc(
    denoise: Denoiser,
    noise: Float[Array, "b *n"],
    draw: Noise,
    *,
    steps: SamplingSteps,
    order: int = 2,
    variant: Variant = "bh2",
) -> Float[Array, "b *n"]:
    """Return a sample from the model `denoise(noisy, step) -> x̂₀`, starting at `noise`, by
    UniPC-`order`; `draw` is not called.

    Raise `ValueError` for an order below 1.
    """
    del draw
    if order < 1:
        raise ValueError(f"order of UniPC: got {order}, need 1 or more")
    factors = _factors(steps, order=order, variant=variant)
    factors = jax.tree.map(lambda a: jnp.asarray(a, noise.dtype), factors)

    def visit(carry, info):
        predicted, before, earlier = carry
        step, (of_before, corrects, of_corrected, predicts) = info
        outputs = jnp.concatenate([denoise(predicted, step)[None], earlier])
        corrected = of_before * before + jnp.tensordot(corrects, outputs, axes=1)
        following = of_corrected * corrected + jnp.tensordot(predicts, outputs, axes=1)
        return (following, corrected, outputs[:-1]), None

    start = (noise, noise, jnp.zeros((order, *noise.shape), noise.dtype))
    return jax.lax.scan(visit, start, (jnp.asarray(steps.step), factors))[0][0]


def _factors(steps: SamplingSteps, *, order: int, variant: Variant) -> tuple[np.ndarray, ...]:
    """Return of every step i: the factor of corrected x_{i−1} in the corrected x_i, (n,); those of
    the predictions x̂₀_i, x̂₀_{i−1} ... there, (n, order + 1); and both for the predicted x_{i+1}.
    """
    levels = np.append(np.asarray(steps.alpha_bar, np.float64), steps.alpha_bar_next[-1])
    count = len(steps.step)
    of_before, of_corrected = np.ones(count), np.zeros(count)
    corrects, predicts = np.zeros((count, order + 1)), np.zeros((count, order + 1))
    for i in range(count):
        if i > 0:
            used = [i, *range(i - 2, max(i - 1 - order, -1), -1)]
            of_before[i], shares = _step(levels, i - 1, i, others=used, variant=variant)
            for place, share in shares.items():
                corrects[i, i - place] = share
        used = list(range(i - 1, max(i - order, -1), -1))
        of_corrected[i], shares = _step(levels, i, i + 1, others=used, variant=variant)
        for place, share in shares.items():
            predicts[i, i - place] = share
    return of_before, corrects, of_corrected, predicts


def _step(
    levels: Float[np.ndarray, "_"], start: int, end: int, *, others: Sequence[int], variant: Variant
) -> tuple[float, dict[int, float]]:
    """Return the factor of x and those of the predictions by their places, for the step from
    `start` to `end`; `others` are the places of the predictions beside that at the start.
    """
    halves = half_log_snr(levels)
    alpha, h = math.sqrt(levels[end]), halves[end] - halves[start]
    shares = {start: -alpha * math.expm1(-h)}
    if math.isfinite(h) and others:
        ratios = [(halves[place] - halves[start]) / h for place in others]
        scale = -h if variant == "bh1" else math.expm1(-h)
        for place, ratio, rho in zip(others, ratios, _rho(ratios, h, scale), strict=True):
            share = -alpha * scale * rho / ratio
            shares[place] = share
            shares[start] -= share
    return math.sqrt((1 - levels[end]) / (1 - levels[start])), shares


def _rho(ratios: Sequence[float], h: float, scale: float) -> Float[np.ndarray, "_"]:
    """Return ρ of the module's docstring; `scale` is B(h)."""
    if len(ratios) == 1:
        return np.array([0.5])
    powers = np.vander(ratios, increasing=True).T
    phi, wanted = math.expm1(-h) / -h, []
    for n in range(1, len(ratios) + 1):
        phi = (phi - 1 / math.factorial(n)) / -h
        wanted.append(math.factorial(n) * -h * phi / scale)
    return np.linalg.solve(powers, np.array(wanted))
