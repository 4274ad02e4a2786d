"""The noise schedule: scaled-linear β (§2.3 of KSDiff, after DiffSpeaker and latent diffusion).

√β_n = linear from √β_start to √β_end,   ᾱ_n = Π_{i ≤ n} (1 − β_i),   n = 0 … N − 1
"""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from ksdiff_jax.diffusion.config import Spacing
from ksdiff_jax.typing import Float, Int


@runtime_checkable
class Schedule(Protocol):
    """The fields of a configuration that define the noise of every training step."""

    steps: int
    beta_start: float
    beta_end: float


class SamplingSteps(NamedTuple):
    """The steps of a sampler, noisiest first, with ᾱ at the step and after it (1 after the
    last).
    """

    step: np.ndarray  # int32 (n,)
    alpha_bar: np.ndarray  # float32 (n,)
    alpha_bar_next: np.ndarray  # float32 (n,)


def alpha_bars(config: Schedule) -> np.ndarray:
    """Return ᾱ of every training step, float32 (steps,), strictly decreasing."""
    root = np.linspace(config.beta_start**0.5, config.beta_end**0.5, config.steps, dtype=np.float64)
    return np.cumprod(1.0 - root**2).astype(np.float32)


def half_log_snr(alpha_bar: ArrayLike) -> Float[np.ndarray, "n"]:
    """Return λ = log(√ᾱ / √(1 − ᾱ)) in float64; infinite at ᾱ = 1."""
    alpha_bar = np.asarray(alpha_bar, np.float64)
    with np.errstate(divide="ignore"):
        return (np.log(alpha_bar) - np.log1p(-alpha_bar)) / 2


def sampling_steps(config: Schedule, *, steps: int, spacing: Spacing = "trailing") -> SamplingSteps:
    """Return `steps` training steps that begin with the noisiest.

    With the spacing "trailing" they are evenly spaced. With "log_snr" the log-SNR of the training
    steps is evenly spaced, from that of the noisiest to that of the least noisy, which is left out
    (Lu et al. 2022, §4.3, up to rounding).

    Raises `ValueError` unless 1 <= steps <= the number of training steps.
    """
    if not 1 <= steps <= config.steps:
        raise ValueError(f"sampling steps: got {steps}, need 1 to {config.steps}")
    bars = alpha_bars(config)
    if spacing == "trailing":
        visited = np.round(np.linspace(config.steps, 0, steps + 1)[:-1]).astype(np.int32) - 1
    else:
        visited = _of_even_log_snr(half_log_snr(bars), steps)
    alpha_bar = bars[visited]
    return SamplingSteps(visited, alpha_bar, np.append(alpha_bar[1:], 1.0).astype(np.float32))


def _of_even_log_snr(halves: Float[np.ndarray, "n"], steps: int) -> Int[np.ndarray, "k"]:
    """Return the training steps that are nearest to evenly spaced values; all are distinct."""
    wanted = np.linspace(halves[-1], halves[0], steps + 1)[:-1]
    nearest = np.abs(halves - wanted[:, None]).argmin(axis=1)
    order = np.arange(steps)
    distinct = np.minimum.accumulate(nearest + order) - order
    return np.maximum(distinct, steps - 1 - order).astype(np.int32)
