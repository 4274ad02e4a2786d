"""Reads the weights of Wav2Vec 2.0, HuBERT and WavLM in Hugging Face's format: the role of each
file, and the keys of each parameter.

A folder contains weights as `model.safetensors`, as shards of it with an index, or as
`pytorch_model.bin`, whole or in shards. The latter is read without torch and without executing it.
hugging_face_config.py reads the layout of the encoder.

The conversion is checked to be a bijection: every parameter of ours has its keys there, every key
there is used or is known to be something else (a head, the quantiser, the mask vector of
pre-training), and every shape matches. Three things are converted. Queries, keys and values become
one matrix. Weight norm becomes the weight that it represents,

    W = v g / |v|,   the norm over all but the taps of the convolution.

Batch norm becomes its scale and shift at inference. Matrices are transposed, because Flax
multiplies from the right.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.tensor_file import read_tensors
from ksdiff_jax.foreign.torch_file import read_state_dict
from ksdiff_jax.speech.config import PretrainedEncoderConfig
from ksdiff_jax.speech.config_fields import read_json_object
from ksdiff_jax.speech.weight_checks import likely_reason, sound_result, sound_weight

# Parts of fine-tuned and pre-training models that do not belong to the encoder.
OTHER_PARTS = (
    "masked_spec_embed",
    "lm_head.",
    "projector.",
    "classifier.",
    "quantizer.",
    "project_hid.",
    "project_q.",
    "tdnn.",
    "objective.",
    "layer_weights",
)
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
BATCH_NORM_EPS = 1e-5

Weights = Mapping[str, np.ndarray]


class Origin(NamedTuple):
    """The source of one parameter of ours."""

    keys: tuple[str, ...]
    build: Callable[..., np.ndarray]
    shapes: tuple[tuple[int, ...], ...]  # of the arrays under `keys`


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
    weights: Weights, config: PretrainedEncoderConfig, *, source: str
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return our parameters by their path in the tree, float32, and the keys that do not belong to
    the encoder.

    Raises `InputError` if the two sets do not match.
    """
    weights = _without_prefix(weights, config)
    origins = parameter_origins(config, weights)
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
        if not key.startswith(OTHER_PARTS) and not key.endswith("num_batches_tracked")
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


def parameter_origins(config: PretrainedEncoderConfig, weights: Weights) -> dict[str, Origin]:
    """Return, for every parameter of `PretrainedEncoder` by its path, the keys from which it is
    built.
    """
    origins = _front_end(config) | _positions(config, weights)
    origins |= _norm("norm", "encoder.layer_norm", config.hidden_size)
    for index in range(config.num_layers):
        origins |= _layer(index, config)
    return origins


def _front_end(config: PretrainedEncoderConfig) -> dict[str, Origin]:
    origins: dict[str, Origin] = {}
    dims = (1, *config.conv_dims)
    for index, kernel in enumerate(config.conv_kernels):
        ours, theirs = f"front_end/convolution_{index}", f"feature_extractor.conv_layers.{index}"
        shape = (dims[index + 1], dims[index], kernel)
        origins[f"{ours}/kernel"] = Origin(
            (f"{theirs}.conv.weight",), lambda w: w.transpose(2, 1, 0), (shape,)
        )
        if config.conv_bias:
            origins[f"{ours}/bias"] = Origin((f"{theirs}.conv.bias",), _same, (shape[:1],))
        if config.feature_norm == "layer" or index == 0:
            origins |= _norm(f"front_end/norm_{index}", f"{theirs}.layer_norm", shape[0])
    if config.projection_norm:
        origins |= _norm("projection_norm", "feature_projection.layer_norm", dims[-1])
    return origins | _dense(
        "projection", "feature_projection.projection", dims[-1], config.hidden_size
    )


def _positions(config: PretrainedEncoderConfig, weights: Weights) -> dict[str, Origin]:
    width, taps = config.hidden_size, config.position_kernel
    full = (width, width // config.position_groups, taps)
    theirs = "encoder.pos_conv_embed.conv"
    origins = {"positions/bias": Origin((f"{theirs}.bias",), _same, ((width,),))}
    if config.position_batch_norm:
        norm = "encoder.pos_conv_embed.batch_norm"
        keys = tuple(f"{norm}.{name}" for name in ("weight", "bias", "running_mean", "running_var"))
        shapes = ((width,),) * 4
        origins["positions/scale"] = Origin(
            keys, lambda w, b, m, v: w / np.sqrt(v + BATCH_NORM_EPS), shapes
        )
        origins["positions/shift"] = Origin(
            keys, lambda w, b, m, v: b - m * w / np.sqrt(v + BATCH_NORM_EPS), shapes
        )
    if config.position_batch_norm or f"{theirs}.weight" in weights:
        origins["positions/kernel"] = Origin(
            (f"{theirs}.weight",), lambda w: w.transpose(2, 1, 0), (full,)
        )
        return origins
    older = (f"{theirs}.weight_g", f"{theirs}.weight_v")
    newer = (
        f"{theirs}.parametrizations.weight.original0",
        f"{theirs}.parametrizations.weight.original1",
    )
    keys = older if older[1] in weights else newer
    origins["positions/kernel"] = Origin(keys, _fold_weight_norm, ((1, 1, taps), full))
    return origins


def _layer(index: int, config: PretrainedEncoderConfig) -> dict[str, Origin]:
    ours, theirs, width = f"layers_{index}", f"encoder.layers.{index}", config.hidden_size
    parts = tuple(f"{theirs}.attention.{name}_proj" for name in ("q", "k", "v"))
    origins = {
        f"{ours}/attention/query_key_value/kernel": Origin(
            tuple(f"{part}.weight" for part in parts),
            lambda *w: np.concatenate(w).T,
            ((width, width),) * 3,
        ),
        f"{ours}/attention/query_key_value/bias": Origin(
            tuple(f"{part}.bias" for part in parts), lambda *b: np.concatenate(b), ((width,),) * 3
        ),
    }
    origins |= _dense(f"{ours}/attention/output", f"{theirs}.attention.out_proj", width, width)
    origins |= _norm(f"{ours}/attention_norm", f"{theirs}.layer_norm", width)
    inner, feed_forward = config.intermediate_size, f"{theirs}.feed_forward"
    origins |= _dense(
        f"{ours}/feed_forward/intermediate", f"{feed_forward}.intermediate_dense", width, inner
    )
    origins |= _dense(f"{ours}/feed_forward/output", f"{feed_forward}.output_dense", inner, width)
    origins |= _norm(f"{ours}/final_norm", f"{theirs}.final_layer_norm", width)
    if config.architecture == "wavlm":
        heads, attention = config.num_heads, f"{theirs}.attention"
        gate = f"{ours}/attention/position_gate"
        origins[f"{gate}/constant"] = Origin(
            (f"{attention}.gru_rel_pos_const",), np.ravel, ((1, heads, 1, 1),)
        )
        origins |= _dense(
            f"{gate}/projection", f"{attention}.gru_rel_pos_linear", width // heads, 8
        )
        if index == 0:
            shape = (config.relative_buckets, heads)
            origins["relative_positions/embedding"] = Origin(
                (f"{attention}.rel_attn_embed.weight",), _same, (shape,)
            )
    return origins


def _dense(ours: str, theirs: str, inputs: int, outputs: int) -> dict[str, Origin]:
    return {
        f"{ours}/kernel": Origin((f"{theirs}.weight",), np.transpose, ((outputs, inputs),)),
        f"{ours}/bias": Origin((f"{theirs}.bias",), _same, ((outputs,),)),
    }


def _norm(ours: str, theirs: str, width: int) -> dict[str, Origin]:
    return {
        f"{ours}/scale": Origin((f"{theirs}.weight",), _same, ((width,),)),
        f"{ours}/bias": Origin((f"{theirs}.bias",), _same, ((width,),)),
    }


def _same(array: np.ndarray) -> np.ndarray:
    return array


def _fold_weight_norm(magnitude: np.ndarray, direction: np.ndarray) -> np.ndarray:
    norm = np.sqrt(np.sum(direction.astype(np.float64) ** 2, axis=(0, 1), keepdims=True))
    if zeros := int((norm == 0).sum()):
        raise InputError(
            f"has the norm 0 in {zeros} of its {norm.size} taps, and weight norm divides by it; "
            "give another copy of the model"
        )
    return (direction * (magnitude / norm)).transpose(2, 1, 0)


def _without_prefix(weights: Weights, config: PretrainedEncoderConfig) -> Weights:
    """Remove the architecture's name, under which models with a head store the encoder, from the
    keys; the head's keys are unchanged.
    """
    prefix = f"{config.architecture}."
    if not any(key.startswith(prefix) for key in weights):
        return weights
    return {key.removeprefix(prefix): array for key, array in weights.items()}
