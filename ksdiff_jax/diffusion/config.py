"""The configuration of diffusion and of its sampling, which several systems have as
`model.diffusion` and `sample`. It is read without JAX.
"""

from dataclasses import dataclass
from typing import Literal

from ksdiff_jax.limits import at_least, need, probabilities, weights

SamplerName = Literal["ddim", "dpm++2m", "unipc"]  # diffusion/samplers.py
Spacing = Literal["trailing", "log_snr"]  # diffusion/schedule.py


@dataclass(frozen=True)
class DiffusionConfig:
    """Noise process (KSDiff §2.3, FD2Talk §4.1 and its Eq. 5); the network predicts the clean
    signal x_0.
    """

    steps: int = 1000  # training steps of the schedule
    # scaled-linear schedule, the values of latent diffusion (R for FD2Talk)
    beta_start: float = 0.00085
    beta_end: float = 0.012
    # R: probability of dropping speech (and a transcript), for classifier-free guidance
    condition_drop_probability: float = 0.1

    def __post_init__(self) -> None:
        at_least(self, "model.diffusion", steps=1)
        probabilities(self, "model.diffusion", "condition_drop_probability")


@dataclass(frozen=True)
class SampleConfig:
    """Defaults of inference; `ksdiff-jax animate` has options for the common ones."""

    sampler: SamplerName = "ddim"  # FD2Talk Eq. 5; R for DisentTalk
    spacing: Spacing = "trailing"  # R: of the steps, see diffusion/schedule.py
    steps: int = 50  # FD2Talk §4.1; R for DisentTalk
    # 1 is the plain conditional model, as in FD2Talk; s of DisentTalk's Eq. 9
    guidance: float = 1.0
    eta: float = 0.0  # σ of DDIM over that of DDPM
    # R: std of the initial noise of the numbers that move the lips, which the system defines; at 0
    # speech alone determines the lips
    lip_temperature: float = 1.0
    # R: every blink of the built-in head is closed entirely (face/blinks.py)
    close_blinks: bool = True
    # R: drawn: blinks of the built-in head follow the law of the built-in corpus, at random
    # (animate/drawn_blinks.py); sampled: the model's own
    blinks: Literal["sampled", "drawn"] = "sampled"

    def __post_init__(self) -> None:
        at_least(self, "sample", steps=1)
        weights(self, "sample", "guidance", what="a number of 0 or more (1: no guidance)")
        weights(self, "sample", "eta")
        noisy = self.eta == 0 or self.sampler == "ddim"
        need(noisy, self, "sample.eta", f"0: the sampler {self.sampler} draws no noise")
        span = "0 (speech alone) to 1 (all noise)"
        probabilities(self, "sample", "lip_temperature", what=span)


def check_steps(config) -> None:
    """Check that `config.sample` has no more steps than `config.model.diffusion`."""
    steps = config.model.diffusion.steps
    few = config.sample.steps <= steps
    need(few, config.sample, "sample.steps", f"1 to {steps}, model.diffusion.steps")
