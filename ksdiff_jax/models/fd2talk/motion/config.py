"""The configuration of FD2Talk's motion stage: every field with its unit and its source.

Defaults are the paper's (Eq. n and §n are its numbers); `R` marks our choice where the paper leaves
a value open.
"""

from dataclasses import dataclass, field
from typing import Literal

from ksdiff_jax.config import DataConfig, MeshConfig, TrainConfig
from ksdiff_jax.diffusion.config import (
    DiffusionConfig,
    DistillConfig,
    SampleConfig,
    check_distilled,
    check_steps,
)
from ksdiff_jax.limits import at_least, need, weights
from ksdiff_jax.models.sync.reference import SyncModelConfig
from ksdiff_jax.speech.config import EncoderConfig


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
class Config:
    """One experiment with FD2Talk's motion stage; a `ksdiff_jax.config.Config`."""

    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    name: str = ""
    system: Literal["fd2talk_motion"] = "fd2talk_motion"

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
        """Return 2, begin and end: FD2Talk reads no transcript."""
        return 2
