"""The configuration of a run: frozen nested dataclasses, every field with its unit and its source.

Defaults are the paper's (KSDiff, §n is its section); `R` marks a reading of ours where the paper is
silent. Files in `configs/` define `config() -> Config`; `ksdiff_jax.overrides` changes any field by
its dotted name.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class PretrainedEncoderConfig:
    """The layout of a Wav2Vec 2.0, HuBERT or WavLM; defaults are the base models' (Baevski et al.
    2020, appendix B).

    Read from the `config.json` that comes with the weights, never chosen by hand.
    """

    architecture: Literal["wav2vec2", "hubert", "wavlm"] = "wav2vec2"
    hidden_size: int = 768
    num_layers: int = 12
    num_heads: int = 12
    intermediate_size: int = 3072
    activation: Literal["gelu", "gelu_new", "relu"] = "gelu"  # of the feed-forward layers
    layer_norm_eps: float = 1e-5
    # True: layer norm before attention and feed-forward (large models), else after
    stable_layer_norm: bool = False
    conv_dims: tuple[int, ...] = (512,) * 7
    conv_kernels: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    conv_strides: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    conv_bias: bool = False
    # of the front end and of the positions
    conv_activation: Literal["gelu", "gelu_new", "relu"] = "gelu"
    # group: over time, first convolution only; layer: in each
    feature_norm: Literal["group", "layer"] = "group"
    projection_norm: bool = True  # layer norm before the projection to hidden_size
    position_kernel: int = 128  # frames of the convolution that tells positions
    position_groups: int = 16
    position_batch_norm: bool = False  # some HuBERT models, in place of weight norm
    relative_buckets: int = 320  # WavLM
    relative_max_distance: int = 800  # WavLM, frames
    # each recording to mean 0 and variance 1, as the checkpoint's feature extractor says
    normalise_input: bool = True
    # the original was trained to ignore padding (as it says; ours always does)
    uses_attention_mask: bool = False


@dataclass(frozen=True)
class EncoderConfig:
    """The speech encoder: audio (b, s) -> features (b, f, d) at 50 Hz; our own, or a pretrained one
    (§2.1).
    """

    kind: Literal["mel", "pretrained"] = "mel"
    mel_bands: int = 80  # mel: log-mel bands, 60 Hz to 7.6 kHz
    width: int = 256  # mel: features per frame
    layers: int = 4  # mel: convolution blocks over the log-mel frames
    kernel_size: int = 5  # mel: frames of 20 ms
    # pretrained: folder of `convert encoder`, folder in Hugging Face layout, or name on its hub
    path: str = ""
    # pretrained: last hidden state, or a learned mean of all of them
    layer: Literal["last", "weighted"] = "last"
    finetune: bool = False  # pretrained: False freezes it (§2.1)
    # pretrained: its layout, written down when a run begins
    architecture: PretrainedEncoderConfig | None = None
    # pretrained: SHA-256 of its weights, written down when a run begins; another one is refused
    digest: str = ""


@dataclass(frozen=True)
class TranscriptConfig:
    """The transcript encoder: UTF-8 bytes -> a Transformer encoder (R: no vocabulary file, every
    language).
    """

    enabled: bool = True  # False: the ablation "w/o transcript"
    layers: int = 2  # R
    # R: transcript alone hidden in training, so that speech alone is enough
    drop_probability: float = 0.1
    # bytes, begin and end; what lies beyond is cut, with a warning at inference
    max_tokens: int = 256


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


@dataclass(frozen=True)
class KeyframeConfig:
    """Keyframe Establishment Learning (§2.2)."""

    enabled: bool = True  # False: the ablation "w/o keyframe"
    layers: int = 6  # §3.3
    smoothing_frames: float = 2.0  # R: sigma of the Gaussian, motion frames
    threshold_std: float = 0.5  # R: a keyframe is a local maximum above mean + threshold_std * std
    positive_weight: float = 5.0  # R: w_1 of Eq. 4
    negative_weight: float = 1.0  # R: w_0 of Eq. 4
    window_frames: int = 128  # R: self-attention reaches this far back, the training clip's length
    # R: each keyframe the generator sees moves by one frame with this probability
    jitter_probability: float = 0.1
    # R: all keyframes of a clip hidden from the generator with this probability
    drop_probability: float = 0.1


@dataclass(frozen=True)
class GeneratorConfig:
    """Dual-path motion generator (§2.3), after DiffSpeaker."""

    # False: the ablation "w/o dual-path diff", one denoiser over 59 dimensions
    dual_path: bool = True
    layers: int = 6  # R
    period_frames: int = 25  # sinusoidal positions repeat every second
    # self-attention's bias steps down once per so many frames; DiffSpeaker: the same
    bias_period_frames: int = 25
    # R: cross-attention to speech sees |i - j| <= this (FD2Talk 3, DiffSpeaker 0)
    alignment_frames: int = 3


@dataclass(frozen=True)
class DiffusionConfig:
    """Noise process (§2.3): predicts the clean signal x_0."""

    steps: int = 1000  # training steps of the schedule
    beta_start: float = 0.00085  # scaled-linear schedule
    beta_end: float = 0.012
    # R: speech and transcript dropped, for classifier-free guidance
    condition_drop_probability: float = 0.1


@dataclass(frozen=True)
class ModelConfig:
    """The whole of KSDiff.

    Whatever computes in bfloat16, norms, softmax, positions, spectra, diffusion and losses stay in
    float32.
    """

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
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    param_dtype: Literal["float32"] = "float32"  # the masters that the optimiser updates
    # of dense layers and products of attention
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    output_dtype: Literal["float32", "bfloat16", "float16"] = "float32"  # of sampled motion
    # fused where the device and the shapes allow (auto), or named
    attention: Literal["auto", "xla", "cudnn"] = "auto"


@dataclass(frozen=True)
class LossConfig:
    """Weights of Eq. 5-7, the same for both paths."""

    reconstruction: float = 1.0  # lambda_1 of Eq. 5
    velocity: float = 1.0  # lambda_2 of Eq. 5
    diffusion: float = 1.0  # lambda_diff of Eq. 7
    spectral: float = 0.3  # lambda_mr of Eq. 7
    keyframes: float = 0.5  # lambda_BCE of Eq. 7
    lip_gap: float = 0.0  # R: the lips' distance on the built-in head; keep 0 for other faces
    # R: STFT windows in motion frames, hop = window / 4, Hann
    spectral_windows: tuple[int, ...] = (8, 16, 32)


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes to the sound of a training clip; the motion stays. Probabilities per clip."""

    noise: float = 0.5
    noise_snr_db: tuple[float, float] = (5.0, 30.0)
    reverberation: float = 0.4
    equaliser: float = 0.7
    band_limit: float = 0.3
    gain_db: tuple[float, float] = (-12.0, 6.0)
    distortion: float = 0.1  # hard clipping of the peaks
    pitch_loss: float = 0.3  # the pitch tracker misses part of the voiced frames


@dataclass(frozen=True)
class DataConfig:
    """Where clips come from and how they are cut."""

    path: str = ""  # folder of shards; empty: the built-in corpus, made on first use
    # of shards of an earlier version that do not show it: whose expression coefficients they hold
    space: Literal["", "builtin", "flame", "bfm"] = ""
    clip_frames: int = 128  # R: 5.12 s at 25 Hz
    batch_size: int = 32  # §3.3
    workers: int = 0  # grain worker processes; 0 reads in the training process
    threads: int = 1  # that read and decode in each process; more hide the latency of a slow disk
    corpus_clips: int = 2000  # clips of the built-in corpus, if that is what is used
    augment: AugmentConfig | None = None  # None: clean sound
    # skip: all shards are read once before training, bad ones named
    on_bad_record: Literal["raise", "skip"] = "raise"
    bad_record_share: float = 0.01  # more bad records than this share of a split are never skipped


@dataclass(frozen=True)
class TrainConfig:
    """Optimisation and the life of a run (§3.3)."""

    steps: int = 100_000
    learning_rate: float = 1e-4
    warmup_steps: int = 5_000
    # R; cosine ends at `steps`: to go on longer raises the rate again
    decay: Literal["constant", "cosine"] = "constant"
    weight_decay: float = 0.01  # R
    clip_norm: float = 1.0  # R
    ema_decay: float = 0.999  # R
    seed: int = 0
    log_every: int = 50
    validate_every: int = 1000
    validate_clips: int = 32
    checkpoint_every: int = 500
    checkpoints_kept: int = 2
    # seconds without a step after which a run ends itself (status 75); 0: never
    hang_s: float = 600.0
    # steps between videos and plots of validation clips in <workdir>/samples; 0: none
    samples_every: int = 0
    samples_clips: int = 2
    # micro-batches of one step: the memory of a small batch, the gradient of the whole one
    accumulate_steps: int = 1
    # what a layer keeps for the backward pass: all, products, nothing
    remat: Literal["none", "dots", "full"] = "none"
    # one layer of each stack is compiled, and looped: the same numbers, sooner the first one
    scan_layers: bool = False
    # checkpoint folder, workdir, shipped name or org/name of the hub: weights of a new run
    init_from: str = ""
    # parameters taken from there, as "generators_head/*" (fnmatch)
    init_patterns: tuple[str, ...] = ("*",)
    freeze_patterns: tuple[str, ...] = ()  # parameters that keep the value they start from


@dataclass(frozen=True)
class MeshConfig:
    """Devices along each mesh axis; -1 takes what is left."""

    data: int = -1
    fsdp: int = 1
    tensor: int = 1


@dataclass(frozen=True)
class SampleConfig:
    """Defaults of inference; `ksdiff-jax animate` has options for the usual ones."""

    sampler: Literal["ddim"] = "ddim"
    steps: int = 50
    guidance: float = 1.0  # 1 is the plain conditional model
    eta: float = 0.0
    # R: std of the initial noise of `lip_dims`; at 0 speech alone decides the lips
    lip_temperature: float = 1.0
    # motion dimensions (motion/space.py) that move the lips
    lip_dims: tuple[int, ...] = (*range(50), 53, 54, 55)
    keyframe_threshold: float = 0.5
    keyframe_decoding: Literal["greedy", "bernoulli"] = "greedy"


@dataclass(frozen=True)
class Config:
    """One experiment."""

    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)
    name: str = ""


def to_dict(config) -> dict:
    """A configuration as plain nested dicts, lists and scalars, ready for JSON."""
    return dataclasses.asdict(config)


def flatten(values: Mapping, prefix: str = "") -> dict[str, object]:
    """Nested dicts as one, by dotted names: {"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, object] = {}
    for name, value in values.items():
        flat |= (
            flatten(value, f"{prefix}{name}.")
            if isinstance(value, Mapping)
            else {prefix + name: value}
        )
    return flat
