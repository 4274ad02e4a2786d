"""The configuration of FD2Talk's motion stage: every field with its unit and its source.

Defaults are the paper's (Eq. n and §n are its numbers); `R` marks our choice where the paper leaves
a value open.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

from ksdiff_jax.config import DataConfig, MeshConfig, SamplerName, Spacing, TrainConfig
from ksdiff_jax.limits import at_least, need, probabilities, weights
from ksdiff_jax.models.sync.reference import SyncModelConfig
from ksdiff_jax.speech.config import EncoderConfig


@dataclass(frozen=True)
class DiffusionConfig:
    """Noise process (Eq. 5 with its ᾱ_t); both transformers predict the clean coefficients."""

    steps: int = 1000  # §4.1
    # R: scaled-linear, the values of latent diffusion
    beta_start: float = 0.00085
    beta_end: float = 0.012
    # R: probability of dropping speech, for guidance
    condition_drop_probability: float = 0.1

    def __post_init__(self) -> None:
        at_least(self, "model.diffusion", steps=1)
        probabilities(self, "model.diffusion", "condition_drop_probability")


@dataclass(frozen=True)
class ModelConfig:
    """Both transformers and their speech encoder.

    `compute_dtype` does not apply to norms, softmax, positions, diffusion and losses; these are
    always computed in float32.
    """

    width: int = 512  # R: of tokens, and D_τ of the condition
    layers: int = 6  # L, §4.1
    heads: int = 8  # R
    ffn_ratio: int = 4  # R
    # False: the ablation "Single DiT" of Table 2, one transformer of expression and pose
    decoupled: bool = True
    # False: the ablation "w/o alignment" of Table 3, every frame attends to all speech
    alignment: bool = True
    reach_frames: int = 3  # k of Eq. 4: frame i attends to the speech of frames i - k to i + k
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    sync: SyncModelConfig = field(default_factory=SyncModelConfig)
    # of dense layers and products of attention
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    output_dtype: Literal["float32", "bfloat16", "float16"] = "float32"  # of sampled motion
    # auto: a fused kernel if the device and the shapes allow it; or the name of one
    attention: Literal["auto", "xla", "cudnn"] = "auto"

    def __post_init__(self) -> None:
        at_least(self, "model", width=2, layers=1, heads=1, ffn_ratio=1, reach_frames=0)
        pairs = f"a multiple of twice the heads, 2 · {self.heads}: positions turn pairs"
        need(self.width % (2 * self.heads) == 0, self, "model.width", pairs)


@dataclass(frozen=True)
class LossConfig:
    """Weights of Eq. 12. The paper chooses them so that the terms have one scale and prints no
    values (R).
    """

    expression: float = 1.0  # λ_exp
    pose: float = 1.0  # λ_pose
    sync: float = 0.01  # λ_sync; 0: the ablation "w/o L_sync" of Table 3

    def __post_init__(self) -> None:
        weights(self, "loss", "expression", "pose", "sync")


@dataclass(frozen=True)
class SampleConfig:
    """Defaults of inference; `ksdiff-jax animate` has options for the common ones."""

    sampler: SamplerName = "ddim"  # Eq. 5
    spacing: Spacing = "trailing"  # R: of the steps, see diffusion/schedule.py
    steps: int = 50  # §4.1
    guidance: float = 1.0  # R; 1 is the plain conditional model, as in the paper
    eta: float = 0.0  # σ_t of Eq. 5 over that of DDPM
    # R: std of the initial noise of the expression; at 0 speech alone determines it
    lip_temperature: float = 1.0
    # R: every blink of the built-in head is closed entirely (face/blinks.py)
    close_blinks: bool = True
    # R: drawn: blinks of the built-in head follow the law of the built-in corpus, at random
    # (animate/drawn_blinks.py); sampled: the model's own
    blinks: Literal["sampled", "drawn"] = "sampled"

    def __post_init__(self) -> None:
        at_least(self, "sample", steps=1)
        guided = math.isfinite(self.guidance) and self.guidance >= 0
        need(guided, self, "sample.guidance", "a number of 0 or more (1: no guidance)")
        weights(self, "sample", "eta")
        noisy = self.eta == 0 or self.sampler == "ddim"
        need(noisy, self, "sample.eta", f"0: the sampler {self.sampler} draws no noise")
        noisy = 0 <= self.lip_temperature <= 1
        need(noisy, self, "sample.lip_temperature", "0 (speech alone) to 1 (all noise)")


@dataclass(frozen=True)
class Config:
    """One experiment with FD2Talk's motion stage; a `ksdiff_jax.config.Config`."""

    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)
    name: str = ""
    system: Literal["fd2talk_motion"] = "fd2talk_motion"

    def __post_init__(self) -> None:
        steps = self.model.diffusion.steps
        few = self.sample.steps <= steps
        need(few, self.sample, "sample.steps", f"1 to {steps}, model.diffusion.steps")

    @property
    def frozen(self) -> tuple[str, ...]:
        """Return the path prefix of a pretrained encoder, unless it is finetuned."""
        encoder = self.model.encoder
        held = encoder.kind == "pretrained" and not encoder.finetune
        return ("encoder/backbone",) if held else ()

    @property
    def transcript_tokens(self) -> int:
        """Return 2, begin and end: FD2Talk reads no transcript."""
        return 2
