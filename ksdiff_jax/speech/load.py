"""Loads a pretrained speech encoder: `load_encoder(folder or hub name) -> SpeechEncoder`.

    encoder = load_encoder("facebook/wav2vec2-base-960h")
    features = encoder(audio)                   (b, s) at 16 kHz -> (b, f, d) at 50 Hz, f = s // 320
    features = encoder.chunked(long_recording)  (s,) -> (f, d), memory bounded for every s
    features = encoder.sliding(long_recording)  the same with 0.2 s of look-ahead (Whisper, student)

Short recordings are padded to a few lengths, so that only a few programs are compiled. A mask
removes the effect of the padding.
"""

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
from ksdiff_jax.files import SHIPPED
from ksdiff_jax.foreign.tensor_file import read_tensors
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.overrides import from_dict
from ksdiff_jax.speech import student_recording, wav2vec2_recording, whisper_recording
from ksdiff_jax.speech.backbone import encode, encoder_module, hop_samples, receptive_field
from ksdiff_jax.speech.config import (
    EncoderConfig,
    EncoderLayout,
    StudentEncoderConfig,
    WhisperEncoderConfig,
)
from ksdiff_jax.speech.config_fields import read_json_object
from ksdiff_jax.speech.encoder_checkpoint import encoder_checkpoint, read_encoder_checkpoint
from ksdiff_jax.speech.feature_rows import FeatureRows
from ksdiff_jax.speech.hugging_face import convert_weights
from ksdiff_jax.speech.original import read_original
from ksdiff_jax.speech.weight_checks import sound_weight
from ksdiff_jax.speech.whisper_config import CTRANSLATE2_FILE
from ksdiff_jax.tree import named_leaves, nested, tree_digest
from ksdiff_jax.typing import Array, Float, PyTree

SCHEMA = "ksdiff-encoder/1"
WEIGHTS_FILE = "weights.safetensors"
HUB_FILES = (
    "config.json",
    "preprocessor_config.json",
    "model*.safetensors",
    "model.safetensors.index.json",
    "weights.safetensors",  # of a student
    "README.md",
)


@dataclass(frozen=True)
class SpeechEncoder:
    """Weights, layout and source of a pretrained encoder."""

    config: EncoderLayout
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
        return encode(self.params, jnp.asarray(audio), mask, config=self.config, dtype=self.dtype)

    def chunked(
        self,
        audio: Float[np.ndarray, "s"],
        *,
        chunk_s: float = wav2vec2_recording.CHUNK_S,
        overlap_s: float = wav2vec2_recording.OVERLAP_S,
    ) -> Float[np.ndarray, "f d"]:
        """Return features of one recording of any length, which is processed in chunks.

        `chunk_s` is the length of a chunk, and neighbours share `overlap_s`; those of Whisper are
        fixed, 30 s and 6 s, and those of a student are chosen so that chunks change nothing.
        """
        self._check(len(audio))
        run = {"config": self.config, "dtype": self.dtype}
        if isinstance(self.config, StudentEncoderConfig):
            return student_recording.whole(self.params, audio, **run)
        if isinstance(self.config, WhisperEncoderConfig):
            return whisper_recording.whole(self.params, audio, **run)
        return wav2vec2_recording.whole(
            self.params, audio, **run, chunk_s=chunk_s, overlap_s=overlap_s
        )

    def rows(self, audio: Float[np.ndarray, "s"]) -> Float[np.ndarray, "f d"] | FeatureRows:
        """Return `chunked` of a long recording as rows that are computed when they are read, in
        bounded memory; of other encoders than Whisper as an array.
        """
        self._check(len(audio))
        if not isinstance(self.config, WhisperEncoderConfig):
            return self.chunked(audio)
        return whisper_recording.in_parts(self.params, audio, config=self.config, dtype=self.dtype)

    def sliding(
        self,
        audio: Float[np.ndarray, "s"],
        *,
        past_s: float = whisper_recording.PAST_S,
        ahead_s: float = whisper_recording.AHEAD_S,
        step_s: float = whisper_recording.STEP_S,
    ) -> Float[np.ndarray, "f d"]:
        """Return features of one recording of any length with a bounded look-ahead: those of every
        `step_s` from `past_s` before and `ahead_s` after it. Whisper has this form; the features of
        a student are such ones, with its own past.
        """
        self._check(len(audio))
        if isinstance(self.config, StudentEncoderConfig):
            student_recording.check_look_ahead(self.config, ahead_s)
            return self.chunked(audio)
        if not isinstance(self.config, WhisperEncoderConfig):
            raise InputError(
                f"{self.source}: a {self.config.architecture} has no sliding form, its norms are "
                "over the whole recording; use a Whisper or a student"
            )
        return whisper_recording.sliding(
            self.params,
            audio,
            config=self.config,
            dtype=self.dtype,
            past_s=past_s,
            ahead_s=ahead_s,
            step_s=step_s,
        )

    def _check(self, samples: int) -> None:
        if samples < (least := receptive_field(self.config)):
            raise InputError(
                f"a recording of {samples} samples ({1000 * samples / SAMPLE_RATE_HZ:.0f} ms); a "
                "speech encoder needs at least "
                f"{least} ({1000 * least / SAMPLE_RATE_HZ:.0f} ms); give a longer one"
            )


def load_encoder(source: str | Path, *, dtype: DTypeLike | None = None) -> SpeechEncoder:
    """Load an encoder from a folder that `convert encoder` wrote, from a Hugging Face folder, from
    the run of a student (`configs/student.py`) or its checkpoint, from a checkpoint that contains
    its encoder, or by a name on the hub.

    Raises `InputError` in one line if there is none, if its weights are damaged, or if the hub
    cannot be reached. `dtype` is that of the computation.
    """
    folder, name = find_folder(source), str(source)
    manifest = folder / "config.json"
    if manifest.is_file() and SCHEMA.split("/")[0] in manifest.read_text(
        encoding="utf-8", errors="replace"
    ):
        return _load_converted(folder, dtype=_dtype_name(dtype))
    if (checkpoint := encoder_checkpoint(folder)) is not None:
        config, params = read_encoder_checkpoint(checkpoint)
        check_shapes(params, config, source=name)
        digest = encoder_digest(params, config)
        return SpeechEncoder(config, params, digest, name, _dtype_name(dtype))
    config, weights = read_original(folder)
    params = nested(convert_weights(weights, config, source=name)[0])
    return SpeechEncoder(config, params, encoder_digest(params, config), name, _dtype_name(dtype))


def find_folder(source: str | Path) -> Path:
    """Return the folder of an encoder: the path itself, a checkpoint of the package by its name, or
    the downloaded files of a name on the hub.
    """
    path, name = Path(source), str(source)
    if path.is_dir():
        return path
    if path.name == name and (SHIPPED / name).is_dir():
        return SHIPPED / name
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
            folder = hub.fetch(repository, [*HUB_FILES, "pytorch_model*.bin*", CTRANSLATE2_FILE])
    except InputError as error:
        raise InputError(f"no folder {name} here; on the hub: {error}") from error
    return folder


def encoder_digest(params: PyTree, config: EncoderLayout) -> str:
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
        config = from_dict(EncoderConfig, {"architecture": manifest["encoder"]}).architecture
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


def check_shapes(params: PyTree, config: EncoderLayout, *, source: str) -> None:
    """Raise `InputError` unless the parameters match the module of this layout by name and
    shape.
    """
    if config.num_heads < 1 or config.hidden_size % config.num_heads:
        raise InputError(
            f"{source}: width {config.hidden_size} does not divide into {config.num_heads} heads; "
            "convert the encoder again"
        )
    expected = {name: leaf.shape for name, leaf in named_leaves(parameter_shapes(config)).items()}
    found = {name: leaf.shape for name, leaf in named_leaves(params).items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise InputError(
                f"{source}: weight {name} has shape {found.get(name)}, the layout in config.json "
                f"requires {expected.get(name)}; convert the encoder again"
            )


def parameter_shapes(config: EncoderLayout) -> PyTree:
    """Return shapes and dtypes of the parameters without computing any."""
    audio = jax.ShapeDtypeStruct((1, 4 * receptive_field(config)), jnp.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    return jax.eval_shape(encoder_module(config, Execution()).init, key, audio)["params"]


def _dtype_name(dtype: DTypeLike | None) -> str:
    if dtype is not None:
        return jnp.dtype(dtype).name
    return "float32" if jax.default_backend() == "cpu" else "bfloat16"
