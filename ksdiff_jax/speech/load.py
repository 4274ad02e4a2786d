"""Loads a pretrained speech encoder: `load_encoder(folder or hub name) -> SpeechEncoder`.

    encoder = load_encoder("facebook/wav2vec2-base-960h")
    features = encoder(audio)                   (b, s) at 16 kHz -> (b, f, d) at 50 Hz, f = s // 320
    features = encoder.chunked(long_recording)  (s,) -> (f, d), memory bounded for every s

Chunks overlap, and only the middle of each is kept. Statistics of a whole recording are computed
over all of it: its mean and variance, and the norm over time of the first convolution, whose
moments are computed beforehand in float64. The only difference at the seams is attention, which
covers one chunk instead of the whole recording.

Short recordings are padded to a few lengths, so that only a few programs are compiled. A mask
removes the effect of the padding.
"""

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from ksdiff_jax import hub
from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ
from ksdiff_jax.config import to_dict
from ksdiff_jax.errors import InputError, first_line
from ksdiff_jax.foreign.tensor_file import read_tensors
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.overrides import from_dict
from ksdiff_jax.speech.config import PretrainedEncoderConfig
from ksdiff_jax.speech.config_fields import read_json_object
from ksdiff_jax.speech.front_end import Moments, hop_samples, receptive_field
from ksdiff_jax.speech.hugging_face import convert_weights, read_weights
from ksdiff_jax.speech.hugging_face_config import read_config
from ksdiff_jax.speech.pretrained import NORMALISATION_EPS, PretrainedEncoder
from ksdiff_jax.speech.weight_checks import sound_weight
from ksdiff_jax.tree import named_leaves, nested, tree_digest
from ksdiff_jax.typing import Array, Bool, Float, PyTree

SCHEMA = "ksdiff-encoder/1"
WEIGHTS_FILE = "weights.safetensors"
CHUNK_S = 30.0
OVERLAP_S = 6.0  # shared by neighbours; half of it is dropped on either side of a seam
BUCKETS_S = (1.0, 2.0, 4.0, 8.0, 16.0, CHUNK_S)
HUB_FILES = (
    "config.json",
    "preprocessor_config.json",
    "model*.safetensors",
    "model.safetensors.index.json",
    "README.md",
)


@dataclass(frozen=True)
class SpeechEncoder:
    """Weights, layout and source of a pretrained encoder."""

    config: PretrainedEncoderConfig
    params: PyTree
    digest: str  # SHA-256 over layout and weights
    source: str
    # of the computation; by default float32 on CPUs, bfloat16 on accelerators
    dtype: str = "float32"

    @property
    def width(self) -> int:
        """Return the features per frame."""
        return self.config.hidden_size

    def __call__(self, audio: Float[Array | np.ndarray, "b s"]) -> Float[Array, "b f d"]:
        """Return features at 50 Hz of recordings of one length.

        Raises `InputError` for less than one receptive field.
        """
        self._check(audio.shape[-1])
        mask = jnp.ones((audio.shape[0], audio.shape[1] // hop_samples(self.config)), bool)
        return _encode(self.params, jnp.asarray(audio), mask, config=self.config, dtype=self.dtype)

    def chunked(
        self,
        audio: Float[np.ndarray, "s"],
        *,
        chunk_s: float = CHUNK_S,
        overlap_s: float = OVERLAP_S,
    ) -> Float[np.ndarray, "f d"]:
        """Return features of one recording of any length; a recording longer than `chunk_s` is
        processed in chunks of that length.
        """
        self._check(len(audio))
        hop = hop_samples(self.config)
        frames, chunk = len(audio) // hop, round(chunk_s * SAMPLE_RATE_HZ / hop)
        margin = round(overlap_s * SAMPLE_RATE_HZ / hop / 2)
        if not 0 <= 2 * margin < chunk:
            raise InputError(
                f"overlap of {overlap_s:g} s in chunks of {chunk_s:g} s; need less overlap than "
                "chunk"
            )
        audio = np.asarray(audio[: frames * hop], np.float32)
        if frames <= chunk:
            return self._short(audio, frames)
        edge = receptive_field(self.config) - hop
        padded = np.pad(
            _normalised(audio) if self.config.normalise_input else audio,
            (edge // 2, edge - edge // 2),
        )
        moments = _whole_moments(padded, self.params, self.config)
        features = np.empty((frames, self.width), np.float32)
        for start, keep in _chunks(frames, chunk=chunk, margin=margin):
            heard = padded[start * hop : (start + chunk) * hop + edge]
            out = _encode_chunk(
                self.params, heard[None], moments, config=self.config, dtype=self.dtype
            )
            features[keep] = np.asarray(out[0, keep.start - start : keep.stop - start], np.float32)
        return features

    def _short(self, audio: Float[np.ndarray, "s"], frames: int) -> Float[np.ndarray, "f d"]:
        hop = hop_samples(self.config)
        buckets = [round(bucket * SAMPLE_RATE_HZ / hop) for bucket in BUCKETS_S]
        bucket = next((bucket for bucket in buckets if frames <= bucket), frames)
        padded = np.pad(audio, (0, bucket * hop - len(audio)))[None]
        mask = (np.arange(bucket) < frames)[None]
        out = _encode(self.params, padded, mask, config=self.config, dtype=self.dtype)
        return np.asarray(out[0, :frames], np.float32)

    def _check(self, samples: int) -> None:
        if samples < (least := receptive_field(self.config)):
            raise InputError(
                f"a recording of {samples} samples ({1000 * samples / SAMPLE_RATE_HZ:.0f} ms); a "
                "speech encoder needs at least "
                f"{least} ({1000 * least / SAMPLE_RATE_HZ:.0f} ms); give a longer one"
            )


def load_encoder(source: str | Path, *, dtype: DTypeLike | None = None) -> SpeechEncoder:
    """Load an encoder from a folder that `convert encoder` wrote, from a Hugging Face folder, or by
    a name on the hub.

    Raises `InputError` in one line if there is none, if its weights are damaged, or if the hub
    cannot be reached. `dtype` is that of the computation.
    """
    folder, name = find_folder(source), str(source)
    manifest = folder / "config.json"
    if manifest.is_file() and SCHEMA.split("/")[0] in manifest.read_text(
        encoding="utf-8", errors="replace"
    ):
        return _load_converted(folder, dtype=_dtype_name(dtype))
    config = read_config(folder)
    params = nested(convert_weights(read_weights(folder), config, source=name)[0])
    return SpeechEncoder(config, params, encoder_digest(params, config), name, _dtype_name(dtype))


def find_folder(source: str | Path) -> Path:
    """Return the folder of an encoder: the path itself, or the downloaded files of a name on the
    hub.
    """
    path, name = Path(source), str(source)
    if path.is_dir():
        return path
    if path.exists():
        raise InputError(
            f"{path}: a file; a speech encoder is a folder with config.json and its weights"
        )
    if (repository := hub.find_name(name)) is None:
        raise InputError(
            f"{path}: no such folder, and not a name on the Hugging Face hub such as owner/model"
        )
    try:
        folder = hub.fetch(repository, HUB_FILES)
        if not any(folder.glob("*.safetensors")):
            folder = hub.fetch(repository, [*HUB_FILES, "pytorch_model*.bin*"])
    except InputError as error:
        raise InputError(f"no folder {name} here; on the hub: {error}") from error
    return folder


def encoder_digest(params: PyTree, config: PretrainedEncoderConfig) -> str:
    """Return a SHA-256 over layout and weights; it is equal for two encoders only if both are the
    same.
    """
    layout = json.dumps(to_dict(config), sort_keys=True)
    return hashlib.sha256(f"{layout}\n{tree_digest(params)}".encode()).hexdigest()


def _load_converted(folder: Path, *, dtype: str) -> SpeechEncoder:
    path = folder / "config.json"
    manifest = read_json_object(path)
    if manifest.get("schema") != SCHEMA:
        raise InputError(
            f"{folder}: an encoder of schema {manifest.get('schema')!r:.60}; this version reads "
            f"{SCHEMA!r}"
        )
    if not isinstance(manifest.get("encoder"), dict) or not isinstance(manifest.get("digest"), str):
        raise InputError(
            f"{path}: lacks the layout or the digest of the encoder; convert the encoder again"
        )
    try:
        config = from_dict(PretrainedEncoderConfig, manifest["encoder"])
    except (InputError, TypeError, ValueError) as error:
        raise InputError(f"{path}: {first_line(error)}; convert the encoder again") from error
    leaves = read_tensors(
        folder / WEIGHTS_FILE, what="file of weights", remedy="convert the encoder again"
    )
    params = nested(leaves)
    check_shapes(params, config, source=str(folder))
    for name, leaf in leaves.items():
        sound_weight(name, leaf, source=str(folder))
    digest = encoder_digest(params, config)
    if digest != manifest["digest"]:
        raise InputError(
            f"{folder}: weights with digest {digest[:12]}, config.json was written for "
            f"{manifest['digest'][:12]}; "
            "a file is damaged or was replaced: convert the encoder again"
        )
    return SpeechEncoder(config, params, digest, str(manifest.get("source", folder)), dtype)


def check_shapes(params: PyTree, config: PretrainedEncoderConfig, *, source: str) -> None:
    """Raise `InputError` unless the parameters match the module of this layout by name and
    shape.
    """
    expected = {name: leaf.shape for name, leaf in named_leaves(parameter_shapes(config)).items()}
    found = {name: leaf.shape for name, leaf in named_leaves(params).items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise InputError(
                f"{source}: weight {name} has shape {found.get(name)}, the layout in config.json "
                f"requires {expected.get(name)}; convert the encoder again"
            )


def parameter_shapes(config: PretrainedEncoderConfig) -> PyTree:
    """Return shapes and dtypes of the parameters without computing any."""
    audio = jax.ShapeDtypeStruct((1, 4 * receptive_field(config)), jnp.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    return jax.eval_shape(PretrainedEncoder(config).init, key, audio)["params"]


@functools.partial(jax.jit, static_argnames=("config", "dtype"))
def _encode(
    params: PyTree,
    audio: Float[Array, "b s"],
    mask: Bool[Array, "b f"],
    *,
    config: PretrainedEncoderConfig,
    dtype: str,
) -> Float[Array, "b f d"]:
    return PretrainedEncoder(config, Execution(dtype=jnp.dtype(dtype))).apply(
        {"params": params}, audio, mask
    )


@functools.partial(jax.jit, static_argnames=("config", "dtype"))
def _encode_chunk(
    params: PyTree,
    padded: Float[Array, "b s"],
    moments: Moments | None,
    *,
    config: PretrainedEncoderConfig,
    dtype: str,
) -> Float[Array, "b n d"]:
    encoder = PretrainedEncoder(config, Execution(dtype=jnp.dtype(dtype)))
    return encoder.apply(
        {"params": params}, padded, moments=moments, method=PretrainedEncoder.states
    ).last


def _normalised(audio: Float[np.ndarray, "s"]) -> Float[np.ndarray, "s"]:
    wide = audio.astype(np.float64)
    return ((wide - wide.mean()) / np.sqrt(wide.var() + NORMALISATION_EPS)).astype(np.float32)


def _whole_moments(
    padded: Float[np.ndarray, "s"], params: PyTree, config: PretrainedEncoderConfig
) -> Moments | None:
    """Return mean and variance of the first convolution over a whole recording, computed from those
    of its windows.

    With window mean m and covariance C, a channel with taps w has mean w·m + b and variance w·C w.
    The computation is in float64, because for channels that respond weakly to speech these are
    small differences of large numbers.
    """
    if config.feature_norm != "group":
        return None
    kernel, stride = config.conv_kernels[0], config.conv_strides[0]
    windows = np.lib.stride_tricks.sliding_window_view(padded.astype(np.float64), kernel)[::stride]
    taps = np.asarray(params["front_end"]["convolution_0"]["kernel"], np.float64)[:, 0]  # (k, c)
    bias = (
        np.asarray(params["front_end"]["convolution_0"]["bias"], np.float64)
        if config.conv_bias
        else 0.0
    )
    mean = windows.mean(axis=0)
    covariance = windows.T @ windows / len(windows) - np.outer(mean, mean)
    variance = np.einsum("kc,kj,jc->c", taps, covariance, taps)
    return Moments(
        np.float32(taps.T @ mean + bias)[None], np.float32(np.maximum(variance, 0.0))[None]
    )


def _chunks(frames: int, *, chunk: int, margin: int) -> list[tuple[int, slice]]:
    """Return (first frame of a chunk, the frames to keep of it) for each chunk; all have one
    length, and the last one ends at the end of the recording.
    """
    step = chunk - 2 * margin
    starts = [*range(0, frames - chunk, step), frames - chunk]
    edges = [0, *(start + margin for start in starts[1:]), frames]
    return [
        (start, slice(first, last))
        for start, first, last in zip(starts, edges, edges[1:], strict=False)
    ]


def _dtype_name(dtype: DTypeLike | None) -> str:
    if dtype is not None:
        return jnp.dtype(dtype).name
    return "float32" if jax.default_backend() == "cpu" else "bfloat16"
