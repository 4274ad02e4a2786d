"""The configuration of FD2Talk's autoencoder: every field with its unit and its source.

Defaults are the paper's (Eq. n and §n are its numbers); `R` marks our choice where the paper leaves
a value open.
"""

from dataclasses import dataclass, field
from typing import Literal

from ksdiff_jax.config import DataConfig, MeshConfig, TrainConfig
from ksdiff_jax.limits import need, weights
from ksdiff_jax.pictures.autoencoder import AutoencoderConfig


@dataclass(frozen=True)
class ModelConfig:
    """The layout, and the network of the perceptual loss.

    `compute_dtype` does not apply to norms, softmax and losses; these are always float32.
    """

    picture_side: int = 256  # pixels, §4.1
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    perceptual_path: str = ""  # φ of Eq. 14: a folder of `ksdiff-jax convert lpips`
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    # auto: a fused kernel if the device and the shapes allow it; or the name of one
    attention: Literal["auto", "xla", "cudnn"] = "auto"

    def __post_init__(self) -> None:
        factor = self.autoencoder.factor
        fits = self.picture_side >= factor and self.picture_side % factor == 0
        need(fits, self, "model.picture_side", f"a multiple of {factor}, the autoencoder's f")


@dataclass(frozen=True)
class LossConfig:
    """Weights of Eq. 15; the paper prints no values (R)."""

    reconstruction: float = 1.0  # λ_rec
    perceptual: float = 1.0  # λ_per; above 0 it needs model.perceptual_path
    # R: of the squared mean and deviation from 1 of a clip's latents, so that latents have the
    # scale of the diffusion's noise; 0: as in the paper, with pretrained weights
    scale: float = 0.0

    def __post_init__(self) -> None:
        weights(self, "loss", "reconstruction", "perceptual", "scale")


@dataclass(frozen=True)
class SampleConfig:
    """An autoencoder samples nothing."""


@dataclass(frozen=True)
class Config:
    """One experiment with FD2Talk's autoencoder; a `ksdiff_jax.config.Config`."""

    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)
    name: str = ""
    system: Literal["fd2talk_autoencoder"] = "fd2talk_autoencoder"

    @property
    def frozen(self) -> tuple[str, ...]:
        """Return (): all parameters are trained."""
        return ()

    @property
    def transcript_tokens(self) -> int:
        """Return 2, begin and end: the autoencoder reads no transcript."""
        return 2
