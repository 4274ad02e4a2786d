"""The configuration of FD2Talk's frames stage: every field with its unit and its source.

Defaults are the paper's (Eq. n and §n are its numbers); `R` marks our choice where the paper leaves
a value open.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

from ksdiff_jax.config import DataConfig, MeshConfig, TrainConfig
from ksdiff_jax.diffusion.config import SamplerName, Spacing
from ksdiff_jax.limits import at_least, need, weights
from ksdiff_jax.models.fd2talk.frames.layout import UNetConfig
from ksdiff_jax.models.fd2talk.motion.config import DiffusionConfig
from ksdiff_jax.pictures.autoencoder import AutoencoderConfig


@dataclass(frozen=True)
class ModelConfig:
    """The UNet, and the run whose autoencoder's latents it generates.

    `compute_dtype` does not apply to norms, softmax, diffusion and losses; these are always
    computed in float32.
    """

    picture_side: int = 256  # pixels, §4.1
    unet: UNetConfig = field(default_factory=UNetConfig)
    # a run or a checkpoint of the system fd2talk_autoencoder, which stays fixed
    autoencoder_path: str = ""
    autoencoder_digest: str = ""  # of its checkpoint; empty: any, a run stores the one it uses
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)  # its layout
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    # R: latents are multiplied by it for diffusion, so that their standard deviation is about 1
    latent_scale: float = 1.0
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    # auto: a fused kernel if the device and the shapes allow it; or the name of one
    attention: Literal["auto", "xla", "cudnn"] = "auto"

    def __post_init__(self) -> None:
        unit = self.autoencoder.factor * self.unet.divisor
        fits = self.picture_side >= unit and self.picture_side % unit == 0
        what = f"a multiple of {unit}, the halvings of the autoencoder and of the UNet"
        need(fits, self, "model.picture_side", what)
        scales = math.isfinite(self.latent_scale) and self.latent_scale > 0
        need(scales, self, "model.latent_scale", "a number above 0")


@dataclass(frozen=True)
class LossConfig:
    """The weight of the one term."""

    latent: float = 1.0  # Eq. 3 with latents

    def __post_init__(self) -> None:
        weights(self, "loss", "latent")


@dataclass(frozen=True)
class SampleConfig:
    """Defaults of inference."""

    sampler: SamplerName = "ddim"  # Eq. 5
    spacing: Spacing = "trailing"  # R: of the steps, see diffusion/schedule.py
    steps: int = 50  # §4.1
    guidance: float = 1.0  # R: on the motion; 1 is the plain conditional model, as in the paper
    eta: float = 0.0  # σ_t of Eq. 5 over that of DDPM
    shared_noise: bool = True  # R: all frames of a clip start at the same noise, against flicker

    def __post_init__(self) -> None:
        at_least(self, "sample", steps=1)
        guided = math.isfinite(self.guidance) and self.guidance >= 0
        need(guided, self, "sample.guidance", "a number of 0 or more (1: no guidance)")
        weights(self, "sample", "eta")
        noisy = self.eta == 0 or self.sampler == "ddim"
        need(noisy, self, "sample.eta", f"0: the sampler {self.sampler} draws no noise")


@dataclass(frozen=True)
class Config:
    """One experiment with FD2Talk's frames stage; a `ksdiff_jax.config.Config`."""

    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)
    name: str = ""
    system: Literal["fd2talk_frames"] = "fd2talk_frames"

    def __post_init__(self) -> None:
        steps = self.model.diffusion.steps
        few = self.sample.steps <= steps
        need(few, self.sample, "sample.steps", f"1 to {steps}, model.diffusion.steps")

    @property
    def frozen(self) -> tuple[str, ...]:
        """Return (): all parameters are trained; the autoencoder is not among them."""
        return ()

    @property
    def transcript_tokens(self) -> int:
        """Return 2, begin and end: the frames stage reads no transcript."""
        return 2
