"""Reads the weights of an encoder in Hugging Face's format, and makes our parameters of weights.

A folder contains weights as `model.safetensors`, as shards of it with an index, or as
`pytorch_model.bin`, whole or in shards. The latter is read without torch and without executing it.
hugging_face_config.py reads the layout of the encoder; wav2vec2_origins.py and whisper_origins.py
have the keys of each parameter.

The conversion is checked to be a bijection: every parameter of ours has its keys there, every key
there is used or is known to be something else (a head, a decoder, the quantiser, the mask vector of
pre-training), and every shape matches.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.tensor_file import read_tensors
from ksdiff_jax.foreign.torch_file import read_state_dict
from ksdiff_jax.speech import wav2vec2_origins, whisper_origins
from ksdiff_jax.speech.config import EncoderLayout, WhisperEncoderConfig
from ksdiff_jax.speech.config_fields import read_json_object
from ksdiff_jax.speech.weight_checks import likely_reason, sound_result, sound_weight
from ksdiff_jax.speech.weight_origins import Origin, Weights

WEIGHTS_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_OTHER_FORMS = {
    ".msgpack": "for Flax, save the model for PyTorch or as safetensors",
    ".h5": "for TensorFlow, save the model for PyTorch or as safetensors",
    ".onnx": "an ONNX graph, give the model that it was made from",
    ".ckpt": "a training checkpoint, convert it to the Hugging Face form",
    ".pt": "not in the Hugging Face form, convert it",
    ".pth": "not in the Hugging Face form, convert it",
    ".gguf": "quantised for llama.cpp, give the original model",
    ".safetensors": "not under one of the expected names; an adapter alone is not a model",
    ".bin": "not under one of the expected names; an adapter alone is not a model",
}
_OTHER_MODEL = "these are not the weights of the {} that config.json describes"
_WITHOUT = "config.json describes a {} without them"


def read_weights(folder: Path) -> dict[str, np.ndarray]:
    """Return all arrays of a folder by their keys there; raise `InputError` if there are none or
    they cannot be read.
    """
    single, index, pickled, pickled_index = (folder / name for name in WEIGHTS_FILES)
    if single.is_file():
        return _read_safetensors(single)
    if index.is_file():
        return _read_shards(index, _read_safetensors)
    if pickled.is_file():
        return read_state_dict(pickled)
    if pickled_index.is_file():
        return _read_shards(pickled_index, read_state_dict)
    found = sorted(file.name for file in folder.iterdir() if file.suffix in _OTHER_FORMS)
    other = f" ({found[0]} is {_OTHER_FORMS[Path(found[0]).suffix]})" if found else ""
    raise InputError(f"{folder}: no weights here{other}; {', '.join(WEIGHTS_FILES)} are expected")


def _read_shards(
    index: Path, read: Callable[[Path], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    placed = read_json_object(index).get("weight_map")
    if not isinstance(placed, dict) or not all(isinstance(name, str) for name in placed.values()):
        raise InputError(f"{index}: no weight_map from weights to files; download the whole model")
    weights: dict[str, np.ndarray] = {}
    for name in sorted(set(placed.values())):
        if (
            not name
            or "\\" in name
            or Path(name).name != name
            or not (index.parent / name).is_file()
        ):
            raise InputError(
                f"{index}: names the shard {name!r:.80}, which is not beside it; download the "
                "whole model"
            )
        shard = read(index.parent / name)
        if twice := sorted(shard.keys() & weights.keys()):
            raise InputError(
                f"{index.parent / name}: holds {twice[0]!r}, as another shard does; download it "
                "again"
            )
        weights |= shard
    return weights


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    return read_tensors(path, what="safetensors file of weights", remedy="download it again")


def convert_weights(
    weights: Weights, config: EncoderLayout, *, source: str
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return our parameters by their path in the tree, float32, and the keys that do not belong to
    the encoder.

    Raises `InputError` if the two sets do not match.
    """
    weights, origins, other_parts = _recognised(weights, config, source=source)
    wanted = {key for origin in origins.values() for key in origin.keys}
    if missing := sorted(wanted - weights.keys()):
        other = _OTHER_MODEL.format(config.architecture)
        raise InputError(
            f"{source}: {len(missing)} weights are missing, first {missing[0]!r}; "
            f"{likely_reason(weights, config.architecture) or other}"
        )
    others = sorted(weights.keys() - wanted)
    if extra := [
        key
        for key in others
        if not key.startswith(other_parts) and not key.endswith("num_batches_tracked")
    ]:
        raise InputError(
            f"{source}: {len(extra)} weights are unknown, first {extra[0]!r:.80}; "
            f"{likely_reason(extra, config.architecture) or _WITHOUT.format(config.architecture)}"
        )
    params = {}
    for name, origin in origins.items():
        for key, shape in zip(origin.keys, origin.shapes, strict=True):
            if weights[key].shape != shape:
                raise InputError(
                    f"{source}: {key} has shape {weights[key].shape}; config.json asks for "
                    f"{shape}: weights and configuration are of different models"
                )
        parts = [sound_weight(key, weights[key], source=source) for key in origin.keys]
        try:
            with np.errstate(all="ignore"):
                built = origin.build(*parts)
        except InputError as error:
            raise InputError(f"{source}: {origin.keys[-1]} {error}") from error
        params[name] = np.ascontiguousarray(built, dtype=np.float32)
        sound_result(name, origin.keys, params[name], source=source)
    return params, tuple(others)


def _recognised(
    weights: Weights, config: EncoderLayout, *, source: str
) -> tuple[Weights, dict[str, Origin], tuple[str, ...]]:
    """Return the weights with the encoder's own keys, the origins of our parameters, and the
    beginnings of keys that are not the encoder's.
    """
    if isinstance(config, WhisperEncoderConfig):
        weights = whisper_origins.encoder_keys(weights, source=source)
        origins = whisper_origins.whisper_origins(config, weights)
        return weights, origins, whisper_origins.OTHER_PARTS
    weights = wav2vec2_origins.without_prefix(weights, config)
    origins = wav2vec2_origins.wav2vec2_origins(config, weights)
    return weights, origins, wav2vec2_origins.OTHER_PARTS
