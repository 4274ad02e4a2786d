"""The keys of Wav2Vec 2.0, HuBERT and WavLM in Hugging Face's format, for each parameter of ours.

Queries, keys and values become one matrix. Weight norm becomes the weight that it represents,

    W = v g / |v|,   the norm over all but the taps of the convolution.

Batch norm becomes its scale and shift at inference.
"""

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.config import PretrainedEncoderConfig
from ksdiff_jax.speech.weight_origins import Origin, Weights, dense, norm, same

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
BATCH_NORM_EPS = 1e-5


def wav2vec2_origins(config: PretrainedEncoderConfig, weights: Weights) -> dict[str, Origin]:
    """Return, for every parameter of `PretrainedEncoder` by its path, the keys from which it is
    built.
    """
    origins = _front_end(config) | _positions(config, weights)
    origins |= norm("norm", "encoder.layer_norm", config.hidden_size)
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
            origins[f"{ours}/bias"] = Origin((f"{theirs}.conv.bias",), same, (shape[:1],))
        if config.feature_norm == "layer" or index == 0:
            origins |= norm(f"front_end/norm_{index}", f"{theirs}.layer_norm", shape[0])
    if config.projection_norm:
        origins |= norm("projection_norm", "feature_projection.layer_norm", dims[-1])
    return origins | dense(
        "projection", "feature_projection.projection", dims[-1], config.hidden_size
    )


def _positions(config: PretrainedEncoderConfig, weights: Weights) -> dict[str, Origin]:
    width, taps = config.hidden_size, config.position_kernel
    full = (width, width // config.position_groups, taps)
    theirs = "encoder.pos_conv_embed.conv"
    origins = {"positions/bias": Origin((f"{theirs}.bias",), same, ((width,),))}
    if config.position_batch_norm:
        theirs_norm = "encoder.pos_conv_embed.batch_norm"
        keys = tuple(
            f"{theirs_norm}.{name}" for name in ("weight", "bias", "running_mean", "running_var")
        )
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
    origins |= dense(f"{ours}/attention/output", f"{theirs}.attention.out_proj", width, width)
    origins |= norm(f"{ours}/attention_norm", f"{theirs}.layer_norm", width)
    inner, feed_forward = config.intermediate_size, f"{theirs}.feed_forward"
    origins |= dense(
        f"{ours}/feed_forward/intermediate", f"{feed_forward}.intermediate_dense", width, inner
    )
    origins |= dense(f"{ours}/feed_forward/output", f"{feed_forward}.output_dense", inner, width)
    origins |= norm(f"{ours}/final_norm", f"{theirs}.final_layer_norm", width)
    if config.architecture == "wavlm":
        heads, attention = config.num_heads, f"{theirs}.attention"
        gate = f"{ours}/attention/position_gate"
        origins[f"{gate}/constant"] = Origin(
            (f"{attention}.gru_rel_pos_const",), np.ravel, ((1, heads, 1, 1),)
        )
        origins |= dense(f"{gate}/projection", f"{attention}.gru_rel_pos_linear", width // heads, 8)
        if index == 0:
            shape = (config.relative_buckets, heads)
            origins["relative_positions/embedding"] = Origin(
                (f"{attention}.rel_attn_embed.weight",), same, (shape,)
            )
    return origins


def _fold_weight_norm(magnitude: np.ndarray, direction: np.ndarray) -> np.ndarray:
    length = np.sqrt(np.sum(direction.astype(np.float64) ** 2, axis=(0, 1), keepdims=True))
    if zeros := int((length == 0).sum()):
        raise InputError(
            f"has the norm 0 in {zeros} of its {length.size} taps, and weight norm divides by it; "
            "give another copy of the model"
        )
    return (direction * (magnitude / length)).transpose(2, 1, 0)


def without_prefix(weights: Weights, config: PretrainedEncoderConfig) -> Weights:
    """Remove the architecture's name, under which models with a head store the encoder, from the
    keys; the head's keys are unchanged.
    """
    prefix = f"{config.architecture}."
    if not any(key.startswith(prefix) for key in weights):
        return weights
    return {key.removeprefix(prefix): array for key, array in weights.items()}
