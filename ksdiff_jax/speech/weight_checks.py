"""Checks that a weight is valid before it is loaded: floating point, finite, and not all zero.

A checkpoint with NaN, with infinities (overflowed float16), quantised to integers, or filled with
zeros by an incomplete download has the names and shapes of a valid one. All its features are
worthless, and no later check would detect that.
"""

from collections.abc import Iterable

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import Shaped

_FLOATS = ("float16", "bfloat16", "float32", "float64")
_RELATIVES = (
    "wav2vec2",
    "hubert",
    "wavlm",
    "data2vec_audio",
    "unispeech",
    "unispeech_sat",
    "wav2vec2_conformer",
    "sew",
    "wav2vec2_bert",
    "bert",
    "roberta",
    "whisper",
    "model.encoder",
    "model.decoder",
)
# Start of a key, substring of a key, and the conclusion.
_SIGNS = (
    (
        "module.",
        None,
        "they begin with 'module.', as DataParallel saves them; save model.module.state_dict()",
    ),
    (
        "_orig_mod.",
        None,
        "they begin with '_orig_mod.', as torch.compile saves them; save the model before "
        "compiling it",
    ),
    (
        "base_model.",
        ".lora_",
        "this is an adapter (LoRA) and not a model; merge it into its model, and save that",
    ),
    (None, ".qweight.", "the weights are quantised; give the original model"),
    (None, ".SCB.", "the weights are quantised; give the original model"),
    (None, ".weight.absmax.", "the weights are quantised; give the original model"),
    (
        None,
        ".self_attn.k_proj.",
        "they are named as fairseq names them; convert the model to the Hugging Face form",
    ),
)


def sound_weight(
    key: str, array: Shaped[np.ndarray, "..."], *, source: str
) -> Shaped[np.ndarray, "..."]:
    """Return the weight as float32; raise `InputError` with its name if it is invalid."""
    if array.dtype.name not in _FLOATS:
        raise InputError(
            f"{source}: {key} holds {array.dtype.name}, floating-point weights are needed; give "
            "the model as it was before it was quantised"
        )
    with np.errstate(all="ignore"):  # values that are not finite are counted below
        single = np.asarray(array, np.float32)
    if bad := int(single.size - np.isfinite(single).sum()):
        half = " (its float16 overflowed, or it was damaged)" if array.dtype == np.float16 else ""
        raise InputError(
            f"{source}: {key} holds NaN or infinity in {bad} of its {single.size} values{half}; "
            "give another copy or checkpoint of the model"
        )
    if single.ndim > 1 and single.size and not single.any():
        raise InputError(
            f"{source}: {key} is wholly zero: never trained, or an unfinished download; download "
            "it again"
        )
    return single


def sound_result(
    name: str, keys: tuple[str, ...], array: Shaped[np.ndarray, "..."], *, source: str
) -> None:
    """Raise `InputError` if valid weights gave a parameter that is not finite (for example from a
    negative variance).
    """
    if not np.isfinite(array).all():
        raise InputError(
            f"{source}: {', '.join(keys)} give {name} NaN or infinity; give another copy of the "
            "model"
        )


def likely_reason(keys: Iterable[str], architecture: str) -> str | None:
    """Return the probable origin of keys that do not match, and the remedy; None if the keys do not
    show it.
    """
    keys = list(keys)
    for begin, inside, reason in _SIGNS:
        if any(
            (begin and key.startswith(begin)) or (inside and inside in f"{key}.") for key in keys
        ):
            return reason
    for name in _RELATIVES:
        if name != architecture and any(key.startswith(f"{name}.") for key in keys):
            return f"these are the weights of a {name}, config.json describes a {architecture}"
    return None
