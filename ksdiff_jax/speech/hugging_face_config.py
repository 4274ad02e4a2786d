"""The layout of Wav2Vec 2.0, HuBERT, WavLM and Whisper from the JSON files that Hugging Face stores
beside their weights: `config.json`, and `preprocessor_config.json` where there is one.

Raises `InputError` for models that are no speech encoder, for adapters and quantised weights, and
for encoders of another sample rate.
"""

from pathlib import Path

from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ
from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.config import EncoderLayout, PretrainedEncoderConfig
from ksdiff_jax.speech.config_fields import Fields
from ksdiff_jax.speech.front_end import ACTIVATIONS
from ksdiff_jax.speech.whisper_config import read_whisper_config

ARCHITECTURES = ("wav2vec2", "hubert", "wavlm", "whisper")


def read_config(folder: Path) -> EncoderLayout:
    """The layout that a folder's JSON files describe; raises `InputError` where it is none that we
    know.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(
            f"{folder}: no config.json here; a speech encoder is a folder with config.json and "
            "its weights, "
            "as Hugging Face stores them, or one that `ksdiff-jax convert encoder` wrote"
        )
    fields = Fields(path)
    kind = _supported_architecture(fields, folder)
    extractor = _feature_extractor(folder)
    if kind == "whisper":
        return read_whisper_config(fields, extractor)
    group = fields.name("feat_extract_norm", "group", ("group", "layer")) == "group"
    activations = tuple(ACTIVATIONS)
    config = PretrainedEncoderConfig(
        architecture=kind,
        hidden_size=fields.whole("hidden_size", 768),
        num_layers=fields.whole("num_hidden_layers", 12, most=1000),
        num_heads=fields.whole("num_attention_heads", 12),
        intermediate_size=fields.whole("intermediate_size", 3072, most=1 << 20),
        activation=fields.name("hidden_act", "gelu", activations),
        layer_norm_eps=fields.positive("layer_norm_eps", 1e-5),
        stable_layer_norm=fields.flag("do_stable_layer_norm", False),
        conv_dims=fields.wholes("conv_dim", (512,) * 7),
        conv_kernels=fields.wholes("conv_kernel", (10, 3, 3, 3, 3, 2, 2)),
        conv_strides=fields.wholes("conv_stride", (5, 2, 2, 2, 2, 2, 2)),
        conv_bias=fields.flag("conv_bias", False),
        conv_activation=fields.name("feat_extract_activation", "gelu", activations),
        feature_norm="group" if group else "layer",
        projection_norm=kind != "hubert" or fields.flag("feat_proj_layer_norm", True),
        position_kernel=fields.whole("num_conv_pos_embeddings", 128),
        position_groups=fields.whole("num_conv_pos_embedding_groups", 16),
        position_batch_norm=kind == "hubert" and fields.flag("conv_pos_batch_norm", False),
        relative_buckets=fields.whole("num_buckets", 320),
        relative_max_distance=fields.whole("max_bucket_distance", 800, most=1 << 20),
        normalise_input=extractor.flag("do_normalize", True) if extractor else True,
        uses_attention_mask=extractor.flag("return_attention_mask", not group)
        if extractor
        else not group,
    )
    _check_config(config, path)
    return config


def _supported_architecture(fields: Fields, folder: Path) -> str:
    """The `model_type`; raises `InputError` where the model is of another kind, or has adapters or
    quantised weights.
    """
    kind = fields.raw.get("model_type")
    if kind not in ARCHITECTURES:
        raise InputError(
            f"{folder}: a model of type {kind!r:.60}; a speech encoder of type "
            f"{', '.join(ARCHITECTURES)} is needed"
        )
    if fields.raw.get("add_adapter") or fields.raw.get("adapter_attn_dim"):
        raise InputError(
            f"{folder}: this {kind} has adapters, which are not supported; use one without"
        )
    if (quantised := fields.raw.get("quantization_config")) is not None:
        method = (
            quantised.get("quant_method", "unknown") if isinstance(quantised, dict) else "unknown"
        )
        raise InputError(
            f"{folder}: quantised weights (quantization_config, method {method!r:.40}); give the "
            "original model"
        )
    return kind


def _feature_extractor(folder: Path) -> Fields | None:
    """The fields of `preprocessor_config.json`, if it exists; raises `InputError` for another
    sample rate.
    """
    extractor_path = folder / "preprocessor_config.json"
    extractor = Fields(extractor_path) if extractor_path.is_file() else None
    if (
        extractor is not None
        and (rate := extractor.whole("sampling_rate", SAMPLE_RATE_HZ, most=10**6)) != SAMPLE_RATE_HZ
    ):
        raise InputError(
            f"{extractor_path}: an encoder for {rate} Hz; one for {SAMPLE_RATE_HZ} Hz is needed"
        )
    return extractor


def _check_config(config: PretrainedEncoderConfig, path: Path) -> None:
    """Raise `InputError` where sizes do not fit each other."""
    counts = len(config.conv_dims), len(config.conv_kernels), len(config.conv_strides)
    if len(set(counts)) > 1:
        raise InputError(
            f"{path}: conv_dim, conv_kernel and conv_stride have {counts} entries; need as many "
            "each"
        )
    for name, parts in (
        ("num_attention_heads", config.num_heads),
        ("num_conv_pos_embedding_groups", config.position_groups),
    ):
        if config.hidden_size % parts:
            raise InputError(
                f"{path}: hidden_size {config.hidden_size} does not divide into {name} {parts}"
            )
