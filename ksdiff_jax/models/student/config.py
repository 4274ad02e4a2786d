"""The configuration of a student: every field with its unit. No paper describes it, so every value
is our choice (R).
"""

from dataclasses import dataclass, field
from typing import Literal

from ksdiff_jax.config import DataConfig, MeshConfig, TrainConfig
from ksdiff_jax.limits import at_least, need, weights
from ksdiff_jax.speech.config import EncoderConfig, StudentEncoderConfig


@dataclass(frozen=True)
class TeacherConfig:
    """The encoder whose last hidden state is learned; any that `model.encoder.path` can name."""

    path: str = "openai/whisper-tiny.en"
    width: int = 384  # features per frame; stored when a run begins
    digest: str = ""  # SHA-256 of its weights, stored when a run begins; others are refused

    def __post_init__(self) -> None:
        at_least(self, "model.teacher", width=1)


@dataclass(frozen=True)
class ModelConfig:
    """The student and its teacher."""

    encoder: EncoderConfig = field(
        default_factory=lambda: EncoderConfig(kind="student", architecture=StudentEncoderConfig())
    )
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    compute_dtype: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        trained = "student, the encoder that this system trains"
        need(self.encoder.kind == "student", self.encoder, "model.encoder.kind", trained)


@dataclass(frozen=True)
class LossConfig:
    """Weights of the loss."""

    teacher: float = 1.0  # of the squared error, in units of the pooled deviation
    # of the cross-entropy of phoneme classes, where a clip has phonemes; 0: no head for them
    phonemes: float = 0.0

    def __post_init__(self) -> None:
        weights(self, "loss", "teacher", "phonemes")


@dataclass(frozen=True)
class SampleConfig:
    """The model generates no motion, so it has no options of inference."""


@dataclass(frozen=True)
class Config:
    """One experiment with a student; a `ksdiff_jax.config.Config`."""

    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)
    name: str = ""
    system: Literal["student"] = "student"

    def __post_init__(self) -> None:
        nothing = "0: a student generates no motion to draw"
        need(self.train.samples_every == 0, self.train, "train.samples_every", nothing)

    @property
    def frozen(self) -> tuple[str, ...]:
        """Return (): all parameters are trained. The teacher's are not among them."""
        return ()

    @property
    def transcript_tokens(self) -> int:
        """Return 2, the tokens of an empty transcript: the model reads none."""
        return 2
