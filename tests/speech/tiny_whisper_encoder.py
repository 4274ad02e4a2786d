"""A Whisper's encoder of two layers with random weights, as Hugging Face and as CTranslate2 write
it.
"""

import json
import struct
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from ksdiff_jax.speech.config import WhisperEncoderConfig
from ksdiff_jax.speech.whisper_origins import whisper_origins

LAYOUT = WhisperEncoderConfig(
    hidden_size=16, num_layers=2, num_heads=2, intermediate_size=24, mel_bands=20, positions=300
)
CONFIG = {
    "model_type": "whisper",
    "d_model": 16,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "num_mel_bins": 20,
    "max_source_positions": 300,
}
_TYPES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4, "bfloat16": 5}


def random_weights(*, seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays under Hugging Face's keys; they are exact in float16."""
    random = np.random.default_rng(seed)
    weights = {}
    for origin in whisper_origins(LAYOUT, {}).values():
        for key, shape in zip(origin.keys, origin.shapes, strict=True):
            scale = np.sqrt(3 / np.prod(shape[1:])) if len(shape) > 1 else 0.3
            array = scale * random.normal(size=shape) + key.endswith("norm.weight")
            weights[key] = array.astype(np.float16).astype(np.float32)
    return weights


def write_folder(folder: Path, weights=None, *, raw: dict | None = None) -> Path:
    """A folder of Hugging Face."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | (raw or {})))
    save_file(random_weights() if weights is None else weights, folder / "model.safetensors")
    return folder


def variables_of(weights: dict[str, np.ndarray], *, heads: int = 2) -> dict[str, np.ndarray]:
    """The same weights as variables of CTranslate2, in float16."""
    found = {
        "encoder/num_heads": np.int16(heads),
        "decoder/scale_embeddings": np.int8(0),
        "encoder/position_encodings/encodings": weights["encoder.embed_positions.weight"],
    }
    for number in (1, 2):
        for part in ("weight", "bias"):
            found[f"encoder/conv{number}/{part}"] = weights[f"encoder.conv{number}.{part}"]
    norms = {"encoder/layer_norm": "encoder.layer_norm"}
    for layer in range(LAYOUT.num_layers):
        ours, theirs = f"encoder/layer_{layer}", f"encoder.layers.{layer}"
        attention = f"{theirs}.self_attn"
        norms[f"{ours}/self_attention/layer_norm"] = f"{attention}_layer_norm"
        norms[f"{ours}/ffn/layer_norm"] = f"{theirs}.final_layer_norm"
        query, value = (weights[f"{attention}.{name}_proj.bias"] for name in "qv")
        found[f"{ours}/self_attention/linear_0/weight"] = np.concatenate(
            [weights[f"{attention}.{name}_proj.weight"] for name in "qkv"]
        )
        found[f"{ours}/self_attention/linear_0/bias"] = np.concatenate(
            [query, np.zeros_like(query), value]
        )
        linears = {"self_attention/linear_1": "self_attn.out_proj"}
        linears |= {"ffn/linear_0": "fc1", "ffn/linear_1": "fc2"}
        for here, there in linears.items():
            for part in ("weight", "bias"):
                found[f"{ours}/{here}/{part}"] = weights[f"{theirs}.{there}.{part}"]
    for ours, theirs in norms.items():
        found[f"{ours}/gamma"] = weights[f"{theirs}.weight"]
        found[f"{ours}/beta"] = weights[f"{theirs}.bias"]
    return {
        name: array.astype(np.float16) if array.dtype == np.float32 else array
        for name, array in found.items()
    }


def model_bin(
    variables: dict[str, np.ndarray],
    *,
    name: str = "WhisperSpec",
    aliases: dict[str, str] | None = None,
    version: int = 6,
) -> bytes:
    """The content of a CTranslate2 file."""

    def string(text: str) -> bytes:
        return struct.pack("<H", len(text.encode()) + 1) + text.encode() + b"\0"

    content = struct.pack("<I", version) + string(name) + struct.pack("<II", 3, len(variables))
    for key, array in sorted(variables.items()):
        content += string(key) + struct.pack("<B", array.ndim)
        content += struct.pack(f"<{array.ndim}I", *array.shape)
        content += struct.pack("<BI", _TYPES[array.dtype.name], array.nbytes) + array.tobytes()
    content += struct.pack("<I", len(aliases or {}))
    return content + b"".join(string(text) for pair in (aliases or {}).items() for text in pair)


def write_ctranslate2(folder: Path, variables: dict[str, np.ndarray], **changes) -> Path:
    """A folder of CTranslate2."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"suppress_ids": [], "lang_ids": [1]}))
    (folder / "model.bin").write_bytes(model_bin(variables, **changes))
    return folder
