"""The layout of Whisper's encoder: from the JSON files that Hugging Face stores beside its weights,
or from the shapes of a CTranslate2 model.
"""

from pathlib import Path

from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.ctranslate2_file import CTranslate2Model, read_ctranslate2
from ksdiff_jax.speech.config import WhisperEncoderConfig
from ksdiff_jax.speech.config_fields import Fields
from ksdiff_jax.speech.front_end import ACTIVATIONS
from ksdiff_jax.speech.whisper_mel import HOP_SAMPLES, WINDOW_SAMPLES

CTRANSLATE2_FILE = "model.bin"
_SPEC = "WhisperSpec"
_HEADS = 8  # of a CTranslate2 model that does not state them


def read_whisper_config(fields: Fields, extractor: Fields | None) -> WhisperEncoderConfig:
    """Return the layout that `config.json` describes; raise `InputError` if its feature extractor
    is not Whisper's own.
    """
    config = WhisperEncoderConfig(
        hidden_size=fields.whole("d_model", 384),
        num_layers=fields.whole("encoder_layers", 4, most=1000),
        num_heads=fields.whole("encoder_attention_heads", 6),
        intermediate_size=fields.whole("encoder_ffn_dim", 1536, most=1 << 20),
        activation=fields.name("activation_function", "gelu", tuple(ACTIVATIONS)),
        mel_bands=fields.whole("num_mel_bins", 80, most=1000),
        positions=fields.whole("max_source_positions", 1500),
    )
    for key, ours in (
        ("feature_size", config.mel_bands),
        ("n_fft", WINDOW_SAMPLES),
        ("hop_length", HOP_SAMPLES),
    ):
        if extractor is not None and (theirs := extractor.whole(key, ours)) != ours:
            raise InputError(f"{extractor.path}: {key} is {theirs}; {ours} is needed")
    _check_sizes(config, str(fields.path))
    return config


def read_ctranslate2_whisper(path: Path) -> tuple[WhisperEncoderConfig, CTranslate2Model]:
    """Return the layout and the content of a CTranslate2 model; raise `InputError` if it is no
    Whisper or has no encoder.
    """
    model = read_ctranslate2(path)
    if model.name != _SPEC:
        raise InputError(f"{path}: a CTranslate2 model of type {model.name!r:.60}; need {_SPEC!r}")
    shapes = {name: array.shape for name, array in model.variables.items()}
    wanted = {
        "encoder/conv1/weight": 3,
        "encoder/position_encodings/encodings": 2,
        "encoder/layer_0/ffn/linear_0/weight": 2,
    }
    for name, rank in wanted.items():
        if len(shapes.get(name, ())) != rank:
            found = f"of shape {shapes[name]}" if name in shapes else "missing"
            raise InputError(f"{path}: {name} is {found}; give a whole Whisper for CTranslate2")
    width, bands, _ = shapes["encoder/conv1/weight"]
    layers = {name.split("/")[1] for name in shapes if name.startswith("encoder/layer_")}
    heads = model.variables.get("encoder/num_heads")
    config = WhisperEncoderConfig(
        hidden_size=width,
        num_layers=len(layers - {"layer_norm"}),
        num_heads=_HEADS if heads is None or heads.size != 1 else int(heads.item()),
        intermediate_size=shapes["encoder/layer_0/ffn/linear_0/weight"][0],
        mel_bands=bands,
        positions=shapes["encoder/position_encodings/encodings"][0],
    )
    _check_sizes(config, str(path))
    return config, model


def _check_sizes(config: WhisperEncoderConfig, source: str) -> None:
    if config.num_heads < 1 or config.hidden_size % config.num_heads:
        raise InputError(
            f"{source}: width {config.hidden_size} does not divide into {config.num_heads} heads"
        )
    if config.positions < 200:
        raise InputError(
            f"{source}: positions for {config.positions} frames of 20 ms; at least 200 are needed"
        )
