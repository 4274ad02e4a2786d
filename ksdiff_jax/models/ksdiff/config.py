"""The configuration of KSDiff: every field with its unit and its source.

Defaults are the paper's (§n is its section). `R` marks our choice where the paper leaves a value
open. Every dataclass checks its fields on creation and raises `InputError` for the first invalid
one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from ksdiff_jax.audio.timebase import SPEECH_FRAMES_PER_MOTION_FRAME
from ksdiff_jax.config import DataConfig, MeshConfig, TrainConfig
from ksdiff_jax.diffusion import config as diffusion
from ksdiff_jax.diffusion.config import DiffusionConfig, check_distilled, check_steps
from ksdiff_jax.limits import at_least, below_one, need, probabilities, weights
from ksdiff_jax.speech.config import EncoderConfig


@dataclass(frozen=True)
class TranscriptConfig:
    """The transcript encoder: UTF-8 bytes, then a Transformer encoder (R: no vocabulary file, so
    every language can be encoded).
    """

    enabled: bool = True  # False: the ablation "w/o transcript"
    layers: int = 2  # R
    # R: probability of hiding the transcript alone in training, so that speech alone suffices
    drop_probability: float = 0.1
    # bytes, with begin and end; the rest is cut, with a warning at inference
    max_tokens: int = 256

    def __post_init__(self) -> None:
        at_least(self, "model.transcript", layers=0, max_tokens=2)
        probabilities(self, "model.transcript", "drop_probability")


@dataclass(frozen=True)
class SpeechPathsConfig:
    """Dual-Path Speech Encoder (§2.1)."""

    refine: bool = True  # False: the ablation "wav2vec only", encoder output -> linear
    split: bool = True  # False: the ablation "w/o speech split", one shared feature
    prosody: bool = True  # False: the ablation "w/o prosody", FiLM off
    dilations: tuple[int, ...] = (1, 2, 4, 8)  # R: the paper gives no values
    kernel_size: int = 5  # §3.3
    groups: int = 8  # R: groups of GroupNorm
    coarse_window_s: float = 1.0  # §3.3, w_h^c
    fine_window_s: float = 0.25  # §3.3, w_h^f
    expression_window_s: float = 0.1  # §3.3, w_e
    head_stride: int = 4  # R, from s_n in {2, 4}: speech frames, so 12.5 Hz
    expression_stride: int = 2  # R: speech frames, so 25 Hz, the motion rate
    # R: half-width in seconds of the cross-attention; 0 attends to the whole clip
    context_s: float = 0.0

    def __post_init__(self) -> None:
        group = "model.speech_paths"
        at_least(self, group, kernel_size=1, groups=1, head_stride=1, expression_stride=1)


@dataclass(frozen=True)
class KeyframeConfig:
    """Keyframe Establishment Learning (§2.2)."""

    # Fields that older configurations lack, with the value that they had.
    EARLIER: ClassVar[Mapping[str, object]] = {"head_jaw": "always"}

    enabled: bool = True  # False: the ablation "w/o keyframe"
    layers: int = 6  # §3.3
    smoothing_frames: float = 2.0  # R: sigma of the Gaussian, motion frames
    threshold_std: float = 0.5  # R: a keyframe is a local maximum above mean + threshold_std * std
    # R: whether delta_h of Eq. 3 contains the jaw; "path": where the head path carries the jaw
    # (model.jaw_path), as in the paper. The jaw moves more than the head, so with it the head's
    # keyframes are those of the jaw
    head_jaw: Literal["path", "always", "never"] = "path"
    positive_weight: float = 5.0  # R: w_1 of Eq. 4
    negative_weight: float = 1.0  # R: w_0 of Eq. 4
    window_frames: int = 128  # R: length of the self-attention window, that of a training clip
    # R: the generator also gets the offset to a keyframe up to this many frames away, each with its
    # own embedding; 0: the paper's bit of each frame
    reach_frames: int = 0
    # R: the generator gets the keyframes with its noisy coefficients too, not with the speech alone
    at_motion: bool = False
    # R: probability that a keyframe of the generator's input moves by one frame
    jitter_probability: float = 0.1
    # R: probability that all keyframes of a clip are hidden from the generator
    drop_probability: float = 0.1

    def __post_init__(self) -> None:
        at_least(self, "model.keyframes", layers=1, window_frames=1, reach_frames=0)
        probabilities(self, "model.keyframes", "jitter_probability", "drop_probability")
        weights(self, "model.keyframes", "positive_weight", "negative_weight")


@dataclass(frozen=True)
class GeneratorConfig:
    """Dual-path motion generator (§2.3), after DiffSpeaker."""

    # False: the ablation "w/o dual-path diff", one denoiser over 59 dimensions
    dual_path: bool = True
    layers: int = 6  # R
    period_frames: int = 25  # sinusoidal positions repeat every second
    # the bias of self-attention decreases by one step per this many frames, as in DiffSpeaker
    bias_period_frames: int = 25
    # R: cross-attention to speech covers |i - j| <= this (FD2Talk 3, DiffSpeaker 0)
    alignment_frames: int = 3
    # R: named styles, each a source of data.sources or one of its speakers as source/speaker; the
    # style input of a model without any is a constant
    styles: tuple[str, ...] = ()
    style_drop_probability: float = 0.1  # R: of the unknown style in place of a clip's own

    def __post_init__(self) -> None:
        frames = {"period_frames": 1, "bias_period_frames": 1, "alignment_frames": 0}
        at_least(self, "model.generator", layers=1, **frames)
        probabilities(self, "model.generator", "style_drop_probability")
        distinct = all(self.styles) and len(set(self.styles)) == len(self.styles)
        need(distinct, self, "model.generator.styles", "different names")


@dataclass(frozen=True)
class RegressionConfig:
    """A linear regression from speech to the expression, as an input of its generator (R;
    models/ksdiff/speech_regression.py).
    """

    enabled: bool = False  # not in the paper
    reach_frames: int = 1  # it reads this many motion frames on either side
    dropout: float = 0.5  # of speech features, in training
    share: float = 0.0  # of the first style's map in what the generator gets in every style

    def __post_init__(self) -> None:
        at_least(self, "model.regression", reach_frames=0)
        probabilities(self, "model.regression", "share")
        below_one(self, "model.regression", "dropout")


@dataclass(frozen=True)
class CausalConfig:
    """The causal mode (R): masks and running statistics with the same parameters, so that one
    model computes motion of whole recordings and of live speech.

    Motion frame t depends on the sound up to `look_ahead_frames` motion frames after it. Encoder
    and prosody use this look-ahead; the network behind them has none, because look-aheads of
    consecutive layers add up. A causal clip has no transcript.
    """

    # of a training clip to be in the causal mode. Its prosody has running statistics; the raw
    # pitch and the features of a pretrained encoder are those of the whole recording
    probability: float = 0.0
    look_ahead_frames: int = 5  # motion frames: 0.2 s

    def __post_init__(self) -> None:
        probabilities(self, "model.causal", "probability")
        possible = self.look_ahead_frames in range(1, 6)
        need(possible, self, "model.causal.look_ahead_frames", "1 to 5 motion frames (0.2 s)")

    @property
    def look_ahead_speech_frames(self) -> int:
        """Return the look-ahead in speech frames, at 50 Hz."""
        return SPEECH_FRAMES_PER_MOTION_FRAME * self.look_ahead_frames


@dataclass(frozen=True)
class ModelConfig:
    """The whole of KSDiff (§2; sizes: §3.3).

    `compute_dtype` does not apply to norms, softmax, positions, spectra, diffusion and losses;
    these are always computed in float32.
    """

    # Removed fields of older configurations, with the only value that they could have.
    DROPPED: ClassVar[Mapping[str, object]] = {"param_dtype": "float32"}

    width: int = 512  # D, §3.3
    heads: int = 8  # §3.3
    ffn_ratio: int = 4  # R: hidden width of feed-forward blocks over D
    dropout: float = 0.1  # §3.3
    jaw_path: Literal["head", "expression"] = "head"  # R: the paper's 9-d head pose carries the jaw
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    transcript: TranscriptConfig = field(default_factory=TranscriptConfig)
    speech_paths: SpeechPathsConfig = field(default_factory=SpeechPathsConfig)
    keyframes: KeyframeConfig = field(default_factory=KeyframeConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    regression: RegressionConfig = field(default_factory=RegressionConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    causal: CausalConfig = field(default_factory=CausalConfig)
    # of dense layers and products of attention
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    output_dtype: Literal["float32", "bfloat16", "float16"] = "float32"  # of sampled motion
    # auto: a fused kernel if the device and the shapes allow it; or the name of one
    attention: Literal["auto", "xla", "cudnn"] = "auto"

    def __post_init__(self) -> None:
        at_least(self, "model", width=2, heads=1, ffn_ratio=1)
        pairs = f"a multiple of twice the heads, 2 · {self.heads}: positions turn pairs"
        need(self.width % (2 * self.heads) == 0, self, "model.width", pairs)
        below_one(self, "model", "dropout")
        need(
            self.width % self.speech_paths.groups == 0,
            self.speech_paths,
            "model.speech_paths.groups",
            f"a divisor of model.width {self.width}",
        )
        shared = self.regression.share == 0 or bool(self.generator.styles)
        need(
            shared, self.regression, "model.regression.share", "0: model.generator.styles is empty"
        )


@dataclass(frozen=True)
class LossConfig:
    """Weights of Eq. 5-7, the same for both paths."""

    reconstruction: float = 1.0  # lambda_1 of Eq. 5
    velocity: float = 1.0  # lambda_2 of Eq. 5
    diffusion: float = 1.0  # lambda_diff of Eq. 7
    spectral: float = 0.3  # lambda_mr of Eq. 7
    keyframes: float = 0.5  # lambda_BCE of Eq. 7
    regression: float = 1.0  # R: the error of model.regression
    lip_gap: float = 0.0  # R: distance of the lips on the built-in head; must be 0 for other faces
    spectral_windows: tuple[int, ...] = (
        8,
        16,
        32,
    )  # R: STFT windows in motion frames, hop = window / 4, Hann

    def __post_init__(self) -> None:
        of_eq_7 = ("reconstruction", "velocity", "diffusion", "spectral", "keyframes")
        weights(self, "loss", *of_eq_7, "lip_gap", "regression")
        # The hop of an STFT is a quarter of its window.
        windows = all(window >= 4 for window in self.spectral_windows)
        need(windows, self, "loss.spectral_windows", "windows of 4 or more motion frames")


@dataclass(frozen=True)
class SampleConfig(diffusion.SampleConfig):
    """Defaults of inference; `ksdiff-jax animate` has options for the common ones."""

    # R: guidance of the head's generator, whose samples move more slowly than its data; none: that
    # of the mouth, `guidance`
    head_guidance: float | None = None
    # R: guidance of the keyframes alone, which makes motion near them stronger; 1 is none
    keyframe_guidance: float = 1.0
    # R: `guidance` of the causal mode, whose lips close less; none: as above
    causal_guidance: float | None = None
    # motion dimensions (motion/space.py) that move the lips
    lip_dims: tuple[int, ...] = (*range(50), 53, 54, 55)
    # R: share of `model.regression` in the clean `lip_dims` of every sampling step, and the factor
    # of its distance from its mean: a regression moves less than what it is fitted to
    regression_weight: float = 0.0
    regression_gain: float = 1.0
    # R: the same of the causal mode, whose mouth moves less; none: as above
    causal_regression_weight: float | None = None
    causal_regression_gain: float | None = None
    keyframe_threshold: float = 0.5
    keyframe_decoding: Literal["greedy", "bernoulli"] = "greedy"
    # how the bits are computed (models/ksdiff/keyframe_decoding.py), which does not change them
    keyframe_decoder: Literal["auto", "sequential", "jacobi", "block_jacobi"] = "auto"
    # R: frame t depends on sound up to model.causal.look_ahead_frames after it, as live speech
    # requires. No blink is closed afterwards then: that a blink ends half way shows at its end
    causal: bool = False
    style: str = ""  # one of model.generator.styles; empty: the unknown one
    # R: windows of long speech are blended at every step (diffusion/joint.py); off: at the end
    joint_windows: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.head_guidance is not None:
            as_mouth = "a number of 0 or more, or none: as guidance"
            weights(self, "sample", "head_guidance", what=as_mouth)
        if self.causal_guidance is not None:
            as_whole = "a number of 0 or more, or none: as guidance"
            weights(self, "sample", "causal_guidance", what=as_whole)
        weights(self, "sample", "keyframe_guidance", what="a number of 0 or more (1: no guidance)")
        weights(self, "sample", "regression_gain")
        probabilities(self, "sample", "regression_weight", "keyframe_threshold")
        if self.causal_regression_weight is not None:
            share = "a number from 0 to 1, or none: as regression_weight"
            probabilities(self, "sample", "causal_regression_weight", what=share)
        if self.causal_regression_gain is not None:
            gain = "a number of 0 or more, or none: as regression_gain"
            weights(self, "sample", "causal_regression_gain", what=gain)

    def guidance_of(self, generator: str) -> float:
        """Return the guidance scale of a generator, `expression`, `head` or `motion`, in the mode
        of `causal`.
        """
        of_head = self.head_guidance
        if generator == "head" and of_head is not None:
            return of_head
        if self.causal and self.causal_guidance is not None:
            return self.causal_guidance
        return self.guidance

    def regression(self) -> tuple[float, float]:
        """Return the share and the gain of the regression in the mode of `causal`."""
        weight, gain = self.regression_weight, self.regression_gain
        if self.causal and self.causal_regression_weight is not None:
            weight = self.causal_regression_weight
        if self.causal and self.causal_regression_gain is not None:
            gain = self.causal_regression_gain
        return weight, gain


@dataclass(frozen=True)
class DistillConfig(diffusion.DistillConfig):
    """Distillation into few steps; the guidance of the teacher is stored when a run begins."""

    head_guidance: float | None = None
    keyframe_guidance: float = 1.0


@dataclass(frozen=True)
class Config:
    """One experiment with KSDiff; a `ksdiff_jax.config.Config`."""

    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    name: str = ""
    system: Literal["ksdiff"] = "ksdiff"

    def __post_init__(self) -> None:
        check_steps(self)
        check_distilled(self)
        styles = self.model.generator.styles
        known = f"one of {', '.join(styles)}" if styles else "it empty, the model has no styles"
        need(self.sample.style in ("", *styles), self.sample, "sample.style", known)
        for name in ("regression_weight", "causal_regression_weight"):
            known = self.model.regression.enabled or not getattr(self.sample, name)
            need(known, self.sample, f"sample.{name}", "0, the model has no regression")
        if self.sample.head_guidance is not None:
            apart = self.model.generator.dual_path
            need(apart, self.sample, "sample.head_guidance", "none, the model has one generator")
        if self.weights_head:
            apart = self.model.generator.dual_path and self.model.jaw_path == "expression"
            need(
                apart,
                self.model,
                "model.jaw_path",
                "expression, and two generators, so that "
                "data.sources with a head_weight leave the mouth as it is",
            )

    @property
    def keyframe_settings(self) -> KeyframeConfig:
        """Return the definition of keyframes, in which `head_jaw` "path" is resolved."""
        settings, path = self.model.keyframes, self.model.jaw_path
        if settings.head_jaw != "path":
            return settings
        return replace(settings, head_jaw="always" if path == "head" else "never")

    @property
    def transcript_tokens(self) -> int:
        """Return the number of tokens of a transcript that the model reads, with begin and end."""
        return self.model.transcript.max_tokens

    @property
    def weights_head(self) -> bool:
        """Return whether a source weights the losses of the head."""
        return any(source.head_weight != 1 for source in self.data.sources)

    @property
    def frozen(self) -> tuple[str, ...]:
        """Return the path prefixes of a pretrained encoder, unless it is finetuned, and of the
        teacher of a distilled model.
        """
        return self.model.encoder.frozen + self.distill.frozen
