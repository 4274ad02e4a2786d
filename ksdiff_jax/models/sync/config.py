"""The configuration of the lip-sync model: every field with its unit and its source.

The paper is DisentTalk (Eq. 10). It describes the two encoders in an appendix that was not
available to us; `R` marks our choice where the paper leaves a value open.
"""

from dataclasses import dataclass, field
from typing import Literal

from ksdiff_jax.config import DataConfig, MeshConfig, TrainConfig
from ksdiff_jax.limits import at_least, need, weights
from ksdiff_jax.speech.config import EncoderConfig


@dataclass(frozen=True)
class ModelConfig:
    """Both encoders of a window: speech features -> vector, mouth motion -> vector."""

    # convolutions: two encoders, as the paper has them. linear (R): the mouth that a linear map of
    # the speech features suggests, and the mouth itself; width, layers, kernel_frames and embedding
    # are not used
    form: Literal["convolutions", "linear"] = "convolutions"
    context_frames: int = 1  # linear: neighbours on either side of a frame that the map reads
    width: int = 256  # R
    layers: int = 3  # R: convolutions over time, without padding
    kernel_frames: int = 5  # R: kernel of each convolution, motion frames
    embedding: int = 128  # R: width of the two vectors whose cosine is computed
    window_frames: int = 25  # R: 1 s at 25 Hz
    # indices of the numbers of a motion frame that move the mouth, such as those of a lip region;
    # empty: expression and jaw (R)
    mouth: tuple[int, ...] = ()
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    compute_dtype: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        at_least(self, "model", width=1, layers=0, kernel_frames=1, embedding=1, context_frames=0)
        least = self.layers * (self.kernel_frames - 1) + 1 if self.form == "convolutions" else 2
        need(
            self.window_frames >= least,
            self,
            "model.window_frames",
            f"{least} or more: a window of one frame has no movement"
            if self.form == "linear"
            else f"{least} or more: {self.layers} convolutions of {self.kernel_frames} frames "
            f"shorten a window by {least - 1}",
        )
        distinct = len(set(self.mouth)) == len(self.mouth) and min(self.mouth, default=0) >= 0
        need(distinct, self, "model.mouth", "distinct numbers of a motion frame, from 0")


@dataclass(frozen=True)
class LossConfig:
    """The binary cross-entropy of Eq. 10 and its pairs."""

    true: float = 0.5  # R: weight of the true pairs
    shifted: float = 0.5  # R: weight of the shifted pairs
    pairs: int = 32  # R: of each kind and clip
    # R: the smallest shift, 0.4 s; closer windows are similar and never form a pair
    shift_frames: int = 10
    # R: the largest shift of the first half of the shifted pairs (1 s); the other half is drawn
    # from the whole clip
    near_frames: int = 25

    def __post_init__(self) -> None:
        weights(self, "loss", "true", "shifted")
        at_least(self, "loss", pairs=1, shift_frames=1, near_frames=self.shift_frames)


@dataclass(frozen=True)
class SampleConfig:
    """The model generates no motion, so it has no options of inference."""


@dataclass(frozen=True)
class Config:
    """One experiment with the lip-sync model; a `ksdiff_jax.config.Config`."""

    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)
    name: str = ""
    system: Literal["sync"] = "sync"

    def __post_init__(self) -> None:
        # Every window of a cut must have a partner that is shifted far enough.
        least = self.model.window_frames + 2 * self.loss.shift_frames
        what = f"{least} or more: a window and loss.shift_frames on both sides of it"
        need(self.data.clip_frames >= least, self.data, "data.clip_frames", what)
        nothing = "0: the lip-sync model generates no motion to draw"
        need(self.train.samples_every == 0, self.train, "train.samples_every", nothing)

    @property
    def frozen(self) -> tuple[str, ...]:
        """Return the path prefix of a pretrained encoder, unless it is finetuned."""
        return self.model.encoder.frozen

    @property
    def transcript_tokens(self) -> int:
        """Return 2, the tokens of an empty transcript: the model reads none."""
        return 2
