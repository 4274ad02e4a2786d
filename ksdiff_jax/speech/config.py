"""The configuration of a speech encoder; every system that reads speech has it as
`model.encoder`.
"""

from dataclasses import dataclass
from typing import Literal

from ksdiff_jax.limits import at_least, need


@dataclass(frozen=True)
class PretrainedEncoderConfig:
    """The layout of a Wav2Vec 2.0, HuBERT or WavLM; the defaults are those of the base models
    (Baevski et al. 2020, appendix B).

    It is read from the `config.json` that comes with the weights and never set by hand.
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
    # of the front end and of the positional convolution
    conv_activation: Literal["gelu", "gelu_new", "relu"] = "gelu"
    # group: over time, after the first convolution only; layer: after each
    feature_norm: Literal["group", "layer"] = "group"
    projection_norm: bool = True  # layer norm before the projection to hidden_size
    position_kernel: int = 128  # frames of the positional convolution
    position_groups: int = 16
    position_batch_norm: bool = False  # some HuBERT models, instead of weight norm
    relative_buckets: int = 320  # WavLM
    relative_max_distance: int = 800  # WavLM, frames
    # normalise each recording to mean 0 and variance 1, as the checkpoint's feature extractor
    # specifies
    normalise_input: bool = True
    # the original was trained with padding masked out (it says so; ours always masks it)
    uses_attention_mask: bool = False


@dataclass(frozen=True)
class WhisperEncoderConfig:
    """The layout of a Whisper's encoder; the defaults are those of its smallest model (Radford et
    al. 2022, table 1).

    It is read from the files of the weights and never set by hand.
    """

    architecture: Literal["whisper"] = "whisper"
    hidden_size: int = 384
    num_layers: int = 4
    num_heads: int = 6
    intermediate_size: int = 1536
    activation: Literal["gelu", "gelu_new", "relu"] = "gelu"
    layer_norm_eps: float = 1e-5
    mel_bands: int = 80  # 128 in large-v3
    positions: int = 1500  # frames of 20 ms that the encoder reads at once

    @property
    def stable_layer_norm(self) -> bool:
        """Return that layer norms come before attention and feed-forward."""
        return True


@dataclass(frozen=True)
class StudentEncoderConfig:
    """The layout of our own small encoder, which is trained to give the features of a larger one
    (`configs/student.py`; R: every field).

    A trained one has its layout in its checkpoint.
    """

    architecture: Literal["student"] = "student"
    hidden_size: int = 256
    num_layers: int = 8  # blocks of a causal convolution and a feed-forward layer
    attention_layers: int = 2  # causal attention, evenly spaced between the blocks
    num_heads: int = 4
    ffn_ratio: int = 3
    kernel_size: int = 7  # frames of 20 ms, the last one is the frame itself
    window_frames: int = 200  # frames that attention reaches, its own among them: 4 s
    mel_bands: int = 80
    # frames of look-ahead; with the window of the last log-mel frame, the features of a frame need
    # 22.5 ms + 20 ms of each of these after the beginning of the frame: 182.5 ms
    ahead_frames: int = 8

    def __post_init__(self) -> None:
        counts = ("hidden_size", "num_layers", "num_heads", "ffn_ratio", "kernel_size")
        counts += ("window_frames", "mel_bands")
        group = "model.encoder.architecture"
        at_least(self, group, **dict.fromkeys(counts, 1), attention_layers=0, ahead_frames=0)
        what = f"a multiple of num_heads, {self.num_heads}"
        need(self.hidden_size % self.num_heads == 0, self, f"{group}.hidden_size", what)
        what = "an odd number, at most 99"
        need(
            self.kernel_size % 2 == 1 and self.kernel_size < 100, self, f"{group}.kernel_size", what
        )
        what = f"at most num_layers, {self.num_layers}"
        need(self.attention_layers <= self.num_layers, self, f"{group}.attention_layers", what)

    @property
    def past_frames(self) -> int:
        """Return the number of earlier frames that the features of a frame depend on."""
        of_convolutions = self.num_layers * (self.kernel_size - 1)
        # one more: the first log-mel frame of 20 ms reads 12.5 ms before it
        return of_convolutions + self.attention_layers * (self.window_frames - 1) + 1


EncoderLayout = PretrainedEncoderConfig | WhisperEncoderConfig | StudentEncoderConfig


@dataclass(frozen=True)
class EncoderConfig:
    """The speech encoder: audio (b, s) -> features (b, f, d) at 50 Hz; our own, or a pretrained one
    (§2.1).
    """

    # student: a new one, which `configs/student.py` trains; a trained one is pretrained
    kind: Literal["mel", "pretrained", "student"] = "mel"
    mel_bands: int = 80  # mel: log-mel bands, 60 Hz to 7.6 kHz
    width: int = 256  # mel: features per frame
    layers: int = 4  # mel: convolution blocks over the log-mel frames
    kernel_size: int = 5  # mel: frames of 20 ms
    # pretrained: folder of `convert encoder`, of Hugging Face, of CTranslate2 (Whisper), or of a
    # run of configs/student.py; or name on the hub
    path: str = ""
    # pretrained: last hidden state, or a learned mean of all of them
    layer: Literal["last", "weighted"] = "last"
    finetune: bool = False  # pretrained: False freezes it (§2.1)
    # pretrained: its layout, stored when a run begins; student: its layout
    architecture: PretrainedEncoderConfig | WhisperEncoderConfig | StudentEncoderConfig | None = (
        None
    )
    # pretrained: SHA-256 of its weights, stored when a run begins; other weights are refused
    digest: str = ""

    def __post_init__(self) -> None:
        at_least(self, "model.encoder", mel_bands=1, width=1, layers=0, kernel_size=1)
        need(
            self.kind != "student" or isinstance(self.architecture, StudentEncoderConfig),
            self,
            "model.encoder.kind",
            "pretrained, with the run of a student in model.encoder.path; only configs/student.py "
            "trains a new one",
        )

    @property
    def frozen(self) -> tuple[str, ...]:
        """Return the path prefix of pretrained weights, unless they are finetuned."""
        held = self.kind == "pretrained" and not self.finetune
        return ("encoder/backbone",) if held else ()
