"""The configuration of diffusion and of its sampling, which several systems have as
`model.diffusion` and `sample`. It is read without JAX.
"""

from dataclasses import dataclass
from typing import Literal

from ksdiff_jax.limits import at_least, need, probabilities, weights

SamplerName = Literal["ddim", "dpm++2m", "unipc"]  # diffusion/samplers.py
Spacing = Literal["trailing", "log_snr"]  # diffusion/schedule.py


TEACHER = "teacher"  # the teacher's denoisers in a tree of parameters


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


@dataclass(frozen=True)
class DistillConfig:
    """Distillation into few steps (R; diffusion/distillation.py); `ksdiff-jax train distill`."""

    # the checkpoint that is distilled: a folder, workdir, shipped name or org/name of the hub; the
    # student has its network and starts from its weights. Empty: the model is not distilled
    teacher: str = ""
    digest: str = ""  # of the teacher, stored when a run begins
    student_steps: tuple[int, ...] = (1, 2, 4)  # numbers of sampling steps that are learned
    # how the teacher is sampled
    sampler: SamplerName = "unipc"
    spacing: Spacing = "log_snr"
    steps: int = 5
    guidance: float = 1.0  # of the teacher, stored when a run begins
    # weights of the loss beside that of the reconstruction
    velocity: float = 1.0
    spectral: float = 0.3
    spectral_windows: tuple[int, ...] = (8, 16, 32)  # motion frames

    def __post_init__(self) -> None:
        at_least(self, "distill", steps=1)
        weights(self, "distill", "guidance", "velocity", "spectral")
        steps = self.student_steps
        rising = bool(steps) and steps[0] >= 1 and list(steps) == sorted(set(steps))
        need(rising, self, "distill.student_steps", "rising numbers of 1 or more")
        windows = all(window >= 4 for window in self.spectral_windows)
        need(windows, self, "distill.spectral_windows", "windows of 4 or more motion frames")

    @property
    def frozen(self) -> tuple[str, ...]:
        """Return the path prefix of the teacher's weights in a tree of parameters, if any."""
        return (TEACHER,) if self.teacher else ()


# Options of sampling that a student has from its teacher's trajectories: it has no other value.
ABSORBED = ("guidance", "head_guidance", "keyframe_guidance")


def check_distilled(config) -> None:
    """Check that a distilled model is sampled as it was distilled: by DDIM in one of its numbers of
    steps, without guidance, which its weights contain.
    """
    distill, sample = config.distill, config.sample
    if not distill.teacher:
        return
    because = "the model is distilled"
    known = sample.steps in distill.student_steps
    steps = ", ".join(map(str, distill.student_steps))
    what = f"one of distill.student_steps, {steps}: {because}; set --sample.steps with them"
    need(known, sample, "sample.steps", what)
    need(sample.sampler == "ddim", sample, "sample.sampler", f"ddim: {because}")
    need(sample.spacing == "trailing", sample, "sample.spacing", f"trailing: {because}")
    need(sample.eta == 0, sample, "sample.eta", f"0: {because}")
    for name in (*ABSORBED, "causal_guidance"):
        plain = getattr(sample, name, None) in (None, 1.0)
        need(plain, sample, f"sample.{name}", f"1: {because}, its teacher's is in its weights")


def check_steps(config) -> None:
    """Check that `config.sample` has no more steps than `config.model.diffusion`."""
    steps = config.model.diffusion.steps
    few = config.sample.steps <= steps
    need(few, config.sample, "sample.steps", f"1 to {steps}, model.diffusion.steps")
