"""The keys of Whisper's encoder for each parameter of ours, as Hugging Face and as CTranslate2 name
them.

Queries, keys and values are three matrices there, or one already; keys have no bias, ours is zero.
"""

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.config import WhisperEncoderConfig
from ksdiff_jax.speech.weight_origins import Origin, Weights, dense, norm, same

# Parts of a whole or fine-tuned model that do not belong to the encoder.
OTHER_PARTS = (
    "decoder.",
    "proj_out.",
    "masked_spec_embed",
    "projector.",
    "classifier.",
    "layer_weights",
    "decoder/",
    "encoder/num_heads",
)


def whisper_origins(config: WhisperEncoderConfig, weights: Weights) -> dict[str, Origin]:
    """Return, for every parameter of `WhisperEncoder` by its path, the keys from which it is
    built.
    """
    if "encoder/conv1/weight" in weights:
        return _of_ctranslate2(config)
    return _of_hugging_face(config)


def _of_hugging_face(config: WhisperEncoderConfig) -> dict[str, Origin]:
    width, inner = config.hidden_size, config.intermediate_size
    origins = _convolutions(config, "encoder.conv{}.")
    origins["positions"] = Origin(
        ("encoder.embed_positions.weight",), same, ((config.positions, width),)
    )
    origins |= norm("norm", "encoder.layer_norm", width)
    for index in range(config.num_layers):
        ours, theirs = f"layers_{index}", f"encoder.layers.{index}"
        attention = f"{theirs}.self_attn"
        origins[f"{ours}/attention/query_key_value/kernel"] = Origin(
            tuple(f"{attention}.{name}_proj.weight" for name in "qkv"),
            lambda *w: np.concatenate(w).T,
            ((width, width),) * 3,
        )
        origins[f"{ours}/attention/query_key_value/bias"] = Origin(
            tuple(f"{attention}.{name}_proj.bias" for name in "qv"),
            lambda q, v: np.concatenate([q, np.zeros_like(q), v]),
            ((width,),) * 2,
        )
        origins |= dense(f"{ours}/attention/output", f"{attention}.out_proj", width, width)
        origins |= norm(f"{ours}/attention_norm", f"{theirs}.self_attn_layer_norm", width)
        origins |= dense(f"{ours}/feed_forward/intermediate", f"{theirs}.fc1", width, inner)
        origins |= dense(f"{ours}/feed_forward/output", f"{theirs}.fc2", inner, width)
        origins |= norm(f"{ours}/final_norm", f"{theirs}.final_layer_norm", width)
    return origins


def _of_ctranslate2(config: WhisperEncoderConfig) -> dict[str, Origin]:
    width, inner = config.hidden_size, config.intermediate_size
    slashed = {"joint": "/"}
    origins = _convolutions(config, "encoder/conv{}/")
    origins["positions"] = Origin(
        ("encoder/position_encodings/encodings",), same, ((config.positions, width),)
    )
    named = {**slashed, "names": ("gamma", "beta")}
    origins |= norm("norm", "encoder/layer_norm", width, **named)
    for index in range(config.num_layers):
        ours, theirs = f"layers_{index}", f"encoder/layer_{index}"
        attention, feed_forward = f"{theirs}/self_attention", f"{theirs}/ffn"
        for part, path, sizes in (
            ("attention/query_key_value", f"{attention}/linear_0", (width, 3 * width)),
            ("attention/output", f"{attention}/linear_1", (width, width)),
            ("feed_forward/intermediate", f"{feed_forward}/linear_0", (width, inner)),
            ("feed_forward/output", f"{feed_forward}/linear_1", (inner, width)),
        ):
            origins |= dense(f"{ours}/{part}", path, *sizes, **slashed)
        origins |= norm(f"{ours}/attention_norm", f"{attention}/layer_norm", width, **named)
        origins |= norm(f"{ours}/final_norm", f"{feed_forward}/layer_norm", width, **named)
    return origins


def _convolutions(config: WhisperEncoderConfig, theirs: str) -> dict[str, Origin]:
    """Return the origins of the two convolutions, which are numbered from 1 there."""
    origins, width = {}, config.hidden_size
    for index, inputs in enumerate((config.mel_bands, width)):
        key = theirs.format(index + 1)
        origins[f"convolution_{index}/kernel"] = Origin(
            (f"{key}weight",), lambda w: w.transpose(2, 1, 0), ((width, inputs, 3),)
        )
        origins[f"convolution_{index}/bias"] = Origin((f"{key}bias",), same, ((width,),))
    return origins


def encoder_keys(weights: Weights, *, source: str) -> Weights:
    """Return the weights as `WhisperModel` names them, whatever it is a part of; raise `InputError`
    if there is no encoder among them.
    """
    if any(key.startswith("model.") for key in weights):
        weights = {key.removeprefix("model."): array for key, array in weights.items()}
    if "conv1.weight" in weights:  # the encoder alone
        weights = {f"encoder.{key}": array for key, array in weights.items()}
    if not any(key.startswith(("encoder.", "encoder/")) for key in weights):
        raise InputError(
            f"{source}: no encoder among its {len(weights)} weights, first "
            f"{min(weights, default='none')!r:.80}; give the whole Whisper, or its encoder"
        )
    return weights
