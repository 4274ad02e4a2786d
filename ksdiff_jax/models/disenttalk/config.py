"""The configuration of DisentTalk: every field with its unit and its source.

Defaults are the paper's (Eq. n and §n are its numbers); `R` marks our choice where the paper leaves
a value open.
"""

from dataclasses import dataclass, field
from typing import Literal

from ksdiff_jax.config import DataConfig, MeshConfig, TrainConfig
from ksdiff_jax.diffusion import config as diffusion
from ksdiff_jax.diffusion.config import (
    DistillConfig,
    SampleConfig,
    check_distilled,
    check_steps,
)
from ksdiff_jax.limits import at_least, need, weights
from ksdiff_jax.models.sync.reference import SyncModelConfig
from ksdiff_jax.speech.config import EncoderConfig


@dataclass(frozen=True)
class RegionsConfig:
    """The subspaces of Eq. 1-2, as measured by `ksdiff-jax regions SHARDS`.

    Numbers are indices into the vector E of a space: the expression, followed by the jaw if the
    space has a moving one (`motion.space.expression_columns`).
    """

    lip: tuple[int, ...] = ()  # D_lip; the paper has K_lip = 13
    eye: tuple[int, ...] = ()  # D_eye; the paper has K_eye = 8
    space: Literal["builtin", "flame", "bfm"] = "builtin"  # the space of these numbers
    # False: the ablation "w/o DISENTANGLE", one region of all numbers
    disentangle: bool = True


@dataclass(frozen=True)
class DiffusionConfig(diffusion.DiffusionConfig):
    """Noise process (Eq. 3, with ᾱ_t for its 1 - β_t); the network predicts the noise ε."""

    steps: int = 400  # T, §IV-A
    # R: the β of latent diffusion times 1000 / 400, for the same final ᾱ of 0.005
    beta_start: float = 0.002125
    beta_end: float = 0.03
    condition_drop_probability: float = 0.1  # p of §III-B, for Eq. 9


@dataclass(frozen=True)
class ModelConfig:
    """The whole of DisentTalk.

    `compute_dtype` does not apply to norms, softmax, positions, diffusion and losses; these are
    always computed in float32.
    """

    width: int = 512  # R
    blocks: int = 6  # R
    heads: int = 8  # R
    # Z_0 of Eq. 3 (R): the normalised numbers, projected by a linear layer per region, or the code
    # of a small autoencoder per region
    latent: Literal["linear", "autoencoder"] = "linear"
    # False: the ablation "w/o HIERARCHICAL", regions are fused without region attention
    region_attention: bool = True
    # False: the ablation "w/o TEMPORAL"
    temporal_convolutions: bool = True
    # False: the ablation "w/o LOCAL", cross-attention alone in Eq. 6
    local_convolution: bool = True
    dilations: tuple[int, ...] = (1, 2, 4)  # Eq. 5, 2^i
    temporal_kernel: int = 3  # R: frames of the depthwise convolutions
    local_kernel: int = 5  # k of Eq. 6, §IV-A
    # R: what the last layer computes; the network always returns the noise that it implies
    output: Literal["noise", "velocity", "motion"] = "noise"
    regions: RegionsConfig = field(default_factory=RegionsConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    sync: SyncModelConfig = field(default_factory=SyncModelConfig)
    # of dense layers and products of attention
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    output_dtype: Literal["float32", "bfloat16", "float16"] = "float32"  # of sampled motion
    # auto: a fused kernel if the device and the shapes allow it; or the name of one
    attention: Literal["auto", "xla", "cudnn"] = "auto"

    def __post_init__(self) -> None:
        at_least(self, "model", width=2, blocks=1, heads=1)
        pairs = f"a multiple of twice the heads, 2 · {self.heads}: positions turn pairs"
        need(self.width % (2 * self.heads) == 0, self, "model.width", pairs)
        for name in ("temporal_kernel", "local_kernel"):
            odd = getattr(self, name) > 0 and getattr(self, name) % 2 == 1
            need(odd, self, f"model.{name}", "an odd number of frames")
        spread = bool(self.dilations) and all(dilation >= 1 for dilation in self.dilations)
        need(spread, self, "model.dilations", "frames of 1 or more")


@dataclass(frozen=True)
class LossConfig:
    """Weights of the objective."""

    noise: float = 1.0  # of Eq. 8
    # R: the quantity whose squared error Eq. 8 takes; the predicted noise implies the velocity and
    # the motion Z_0. noise: as in the paper
    error_of: Literal["noise", "velocity", "motion"] = "noise"
    sync: float = 0.01  # λ of Eq. 10; 0: the ablation "w/o SYNCLOSS"
    autoencoder: float = 1.0  # R: reconstruction by `model.latent` "autoencoder"

    def __post_init__(self) -> None:
        weights(self, "loss", "noise", "sync", "autoencoder")


@dataclass(frozen=True)
class Config:
    """One experiment with DisentTalk; a `ksdiff_jax.config.Config`."""

    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    name: str = ""
    system: Literal["disenttalk"] = "disenttalk"

    def __post_init__(self) -> None:
        check_steps(self)
        check_distilled(self)

    @property
    def frozen(self) -> tuple[str, ...]:
        """Return the path prefixes of a pretrained encoder, unless it is finetuned, and of the
        teacher of a distilled model.
        """
        return self.model.encoder.frozen + self.distill.frozen

    @property
    def transcript_tokens(self) -> int:
        """Return 2, begin and end: DisentTalk reads no transcript."""
        return 2
