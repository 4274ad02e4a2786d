"""Wav2Vec 2.0, HuBERT and WavLM as Hugging Face stores them: which file says what, and which key is which parameter.

A folder holds `config.json`, perhaps `preprocessor_config.json`, and weights as `model.safetensors`, as shards of it
with an index, or as `pytorch_model.bin`, which is read without running any code in it and needs torch.

Conversion is a bijection that is checked: every parameter of ours has its keys there, every key there is used or is
known to be something else (a head, the quantiser, the vector that masks in pre-training), every shape fits. Three
things change form: queries, keys and values become one matrix; weight norm becomes the weight it stands for,

    W = v g / |v|,   the norm over all but the taps of the convolution;

batch norm becomes the scale and shift that it is at inference. Matrices are transposed, as Flax multiplies from the
right.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.config import PretrainedEncoderConfig
from ksdiff_jax.errors import InputError, first_line
from ksdiff_jax.speech.front_end import ACTIVATIONS

ARCHITECTURES = ("wav2vec2", "hubert", "wavlm")
# Parts of fine-tuned and pre-training models that are not the encoder.
OTHER_PARTS = (
    "masked_spec_embed", "lm_head.", "projector.", "classifier.", "quantizer.", "project_hid.", "project_q.", "tdnn.",
    "objective.", "layer_weights",
)  # fmt: skip
WEIGHTS_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
BATCH_NORM_EPS = 1e-5

Weights = Mapping[str, np.ndarray]


class Origin(NamedTuple):
    """Where one parameter of ours comes from."""

    keys: tuple[str, ...]
    build: Callable[..., np.ndarray]
    shapes: tuple[tuple[int, ...], ...]  # of the arrays under `keys`


def read_config(folder: Path) -> PretrainedEncoderConfig:
    """The layout that a folder's JSON files describe; raises `InputError` where it is none that we know."""
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(
            f"{folder}: no config.json here; a speech encoder is a folder with config.json and its weights, "
            "as Hugging Face stores them, or one that `ksdiff-jax convert encoder` wrote"
        )
    raw = _json(path)
    kind = raw.get("model_type")
    if kind not in ARCHITECTURES:
        raise InputError(
            f"{folder}: a model of type {kind!r}; a speech encoder of type {', '.join(ARCHITECTURES)} is needed"
        )
    if raw.get("add_adapter") or raw.get("adapter_attn_dim"):
        raise InputError(f"{folder}: this {kind} has adapters, which are not supported; use one without")
    extractor_path = folder / "preprocessor_config.json"
    extractor = _json(extractor_path) if extractor_path.is_file() else {}
    group = raw.get("feat_extract_norm", "group") == "group"
    try:
        return PretrainedEncoderConfig(
            architecture=kind,
            hidden_size=int(raw.get("hidden_size", 768)),
            num_layers=int(raw.get("num_hidden_layers", 12)),
            num_heads=int(raw.get("num_attention_heads", 12)),
            intermediate_size=int(raw.get("intermediate_size", 3072)),
            activation=_activation(raw, "hidden_act", folder),
            layer_norm_eps=float(raw.get("layer_norm_eps", 1e-5)),
            stable_layer_norm=bool(raw.get("do_stable_layer_norm", False)),
            conv_dims=tuple(map(int, raw.get("conv_dim", (512,) * 7))),
            conv_kernels=tuple(map(int, raw.get("conv_kernel", (10, 3, 3, 3, 3, 2, 2)))),
            conv_strides=tuple(map(int, raw.get("conv_stride", (5, 2, 2, 2, 2, 2, 2)))),
            conv_bias=bool(raw.get("conv_bias", False)),
            conv_activation=_activation(raw, "feat_extract_activation", folder),
            feature_norm="group" if group else "layer",
            projection_norm=kind != "hubert" or bool(raw.get("feat_proj_layer_norm", True)),
            position_kernel=int(raw.get("num_conv_pos_embeddings", 128)),
            position_groups=int(raw.get("num_conv_pos_embedding_groups", 16)),
            position_batch_norm=kind == "hubert" and bool(raw.get("conv_pos_batch_norm", False)),
            relative_buckets=int(raw.get("num_buckets", 320)),
            relative_max_distance=int(raw.get("max_bucket_distance", 800)),
            normalise_input=bool(extractor.get("do_normalize", True)),
            uses_attention_mask=bool(extractor.get("return_attention_mask", not group)),
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: a field does not hold what it should ({error})") from error


def read_weights(folder: Path) -> dict[str, np.ndarray]:
    """All arrays of a folder by their keys there; raises `InputError` where there are none or they cannot be read."""
    single, index, pickled = (folder / name for name in WEIGHTS_FILES)
    if single.is_file():
        return _read_safetensors(single)
    if index.is_file():
        weights: dict[str, np.ndarray] = {}
        for name in sorted(set(_json(index).get("weight_map", {}).values())):
            if Path(name).name != name or not (folder / name).is_file():
                raise InputError(f"{index}: names the shard {name!r}, which is not beside it; download the whole model")
            weights |= _read_safetensors(folder / name)
        return weights
    if pickled.is_file():
        return _read_pickled(pickled)
    raise InputError(f"{folder}: no weights here; {', '.join(WEIGHTS_FILES)} are looked for")


def convert_weights(
    weights: Weights, config: PretrainedEncoderConfig, *, source: str
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Our parameters by their path in the tree, float32, and the keys that are not the encoder's.

    Raises `InputError` where the two sets do not match.
    """
    weights = _without_prefix(weights, config)
    origins = parameter_origins(config, weights)
    wanted = {key for origin in origins.values() for key in origin.keys}
    if missing := sorted(wanted - weights.keys()):
        raise InputError(
            f"{source}: {len(missing)} weights are missing, first {missing[0]!r}; these are not the weights of the "
            f"{config.architecture} that config.json describes"
        )
    others = sorted(weights.keys() - wanted)
    if extra := [key for key in others if not key.startswith(OTHER_PARTS) and not key.endswith("num_batches_tracked")]:
        raise InputError(
            f"{source}: {len(extra)} weights are unknown, first {extra[0]!r}; config.json describes a "
            f"{config.architecture} without them"
        )
    params = {}
    for name, origin in origins.items():
        for key, shape in zip(origin.keys, origin.shapes, strict=True):
            if weights[key].shape != shape:
                raise InputError(
                    f"{source}: {key} has shape {weights[key].shape}; config.json asks for {shape}: weights and "
                    "configuration are of different models"
                )
        built = origin.build(*(np.asarray(weights[key], np.float32) for key in origin.keys))
        params[name] = np.ascontiguousarray(built, dtype=np.float32)
    return params, tuple(others)


def parameter_origins(config: PretrainedEncoderConfig, weights: Weights) -> dict[str, Origin]:
    """For every parameter of `PretrainedEncoder`, by its path, the keys it is made of."""
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
        origins[f"{ours}/kernel"] = Origin((f"{theirs}.conv.weight",), lambda w: w.transpose(2, 1, 0), (shape,))
        if config.conv_bias:
            origins[f"{ours}/bias"] = Origin((f"{theirs}.conv.bias",), _same, (shape[:1],))
        if config.feature_norm == "layer" or index == 0:
            origins |= _norm(f"front_end/norm_{index}", f"{theirs}.layer_norm", shape[0])
    if config.projection_norm:
        origins |= _norm("projection_norm", "feature_projection.layer_norm", dims[-1])
    return origins | _dense("projection", "feature_projection.projection", dims[-1], config.hidden_size)


def _positions(config: PretrainedEncoderConfig, weights: Weights) -> dict[str, Origin]:
    width, taps = config.hidden_size, config.position_kernel
    full = (width, width // config.position_groups, taps)
    theirs = "encoder.pos_conv_embed.conv"
    origins = {"positions/bias": Origin((f"{theirs}.bias",), _same, ((width,),))}
    if config.position_batch_norm:
        norm = "encoder.pos_conv_embed.batch_norm"
        keys = tuple(f"{norm}.{name}" for name in ("weight", "bias", "running_mean", "running_var"))
        shapes = ((width,),) * 4
        origins["positions/scale"] = Origin(keys, lambda w, b, m, v: w / np.sqrt(v + BATCH_NORM_EPS), shapes)
        origins["positions/shift"] = Origin(keys, lambda w, b, m, v: b - m * w / np.sqrt(v + BATCH_NORM_EPS), shapes)
    if config.position_batch_norm or f"{theirs}.weight" in weights:
        origins["positions/kernel"] = Origin((f"{theirs}.weight",), lambda w: w.transpose(2, 1, 0), (full,))
        return origins
    older = (f"{theirs}.weight_g", f"{theirs}.weight_v")
    newer = (f"{theirs}.parametrizations.weight.original0", f"{theirs}.parametrizations.weight.original1")
    keys = older if older[1] in weights else newer
    origins["positions/kernel"] = Origin(keys, _fold_weight_norm, ((1, 1, taps), full))
    return origins


def _layer(index: int, config: PretrainedEncoderConfig) -> dict[str, Origin]:
    ours, theirs, width = f"layers_{index}", f"encoder.layers.{index}", config.hidden_size
    parts = tuple(f"{theirs}.attention.{name}_proj" for name in ("q", "k", "v"))
    origins = {
        f"{ours}/attention/query_key_value/kernel": Origin(
            tuple(f"{part}.weight" for part in parts), lambda *w: np.concatenate(w).T, ((width, width),) * 3
        ),
        f"{ours}/attention/query_key_value/bias": Origin(
            tuple(f"{part}.bias" for part in parts), lambda *b: np.concatenate(b), ((width,),) * 3
        ),
    }
    origins |= _dense(f"{ours}/attention/output", f"{theirs}.attention.out_proj", width, width)
    origins |= _norm(f"{ours}/attention_norm", f"{theirs}.layer_norm", width)
    inner, feed_forward = config.intermediate_size, f"{theirs}.feed_forward"
    origins |= _dense(f"{ours}/feed_forward/intermediate", f"{feed_forward}.intermediate_dense", width, inner)
    origins |= _dense(f"{ours}/feed_forward/output", f"{feed_forward}.output_dense", inner, width)
    origins |= _norm(f"{ours}/final_norm", f"{theirs}.final_layer_norm", width)
    if config.architecture == "wavlm":
        heads, attention = config.num_heads, f"{theirs}.attention"
        gate = f"{ours}/attention/position_gate"
        origins[f"{gate}/constant"] = Origin((f"{attention}.gru_rel_pos_const",), np.ravel, ((1, heads, 1, 1),))
        origins |= _dense(f"{gate}/projection", f"{attention}.gru_rel_pos_linear", width // heads, 8)
        if index == 0:
            shape = (config.relative_buckets, heads)
            origins["relative_positions/embedding"] = Origin((f"{attention}.rel_attn_embed.weight",), _same, (shape,))
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
    return (direction * (magnitude / norm)).transpose(2, 1, 0)


def _without_prefix(weights: Weights, config: PretrainedEncoderConfig) -> Weights:
    """Models with a head keep the encoder under its architecture's name; the head's keys stay as they are."""
    prefix = f"{config.architecture}."
    if not any(key.startswith(prefix) for key in weights):
        return weights
    return {key.removeprefix(prefix): array for key, array in weights.items()}


def _activation(raw: dict, key: str, folder: Path) -> str:
    name = raw.get(key, "gelu")
    if name not in ACTIVATIONS:
        raise InputError(f"{folder}: {key} is {name!r}; known are {', '.join(ACTIVATIONS)}")
    return name


def _json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not a JSON file ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}; a JSON object is needed")
    return content


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    import ml_dtypes  # noqa: F401  safetensors reads bfloat16 into NumPy once this is imported
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a sound safetensors file ({error}); download it again") from error


def _read_pickled(path: Path) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError as error:
        raise InputError(
            f'{path}: a PyTorch file, and torch is not installed; pip install "ksdiff-jax[convert]", or give the '
            "model as model.safetensors"
        ) from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its unpickler, zip reader and allow-list do
        raise InputError(
            f"{path}: refused, because it holds more than weights or is damaged ({first_line(error)}); "
            "nothing in it was run"
        ) from error
    if not isinstance(state, dict) or not all(hasattr(value, "numpy") for value in state.values()):
        raise InputError(f"{path}: not a dictionary of weights; give the state dict of the model")
    return {key: value.detach().float().numpy() for key, value in state.items()}
