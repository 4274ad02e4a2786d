"""The noise schedule: scaled-linear β (§2.3 of KSDiff, after DiffSpeaker and latent diffusion).

√β_n = linear from √β_start to √β_end,   ᾱ_n = Π_{i ≤ n} (1 − β_i),   n = 0 … N − 1
"""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np


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


def sampling_steps(config: Schedule, *, steps: int) -> SamplingSteps:
    """Return `steps` evenly spaced training steps up to the last one ("trailing" spacing, starting
    at the noisiest).

    Raises `ValueError` unless 1 <= steps <= the number of training steps.
    """
    if not 1 <= steps <= config.steps:
        raise ValueError(f"sampling steps: got {steps}, need 1 to {config.steps}")
    visited = np.round(np.linspace(config.steps, 0, steps + 1)[:-1]).astype(np.int32) - 1
    alpha_bar = alpha_bars(config)[visited]
    return SamplingSteps(visited, alpha_bar, np.append(alpha_bar[1:], 1.0).astype(np.float32))
