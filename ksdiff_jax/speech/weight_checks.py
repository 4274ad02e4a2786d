"""What a weight must be before it becomes one of ours: floating point, finite, and not all zero.

A checkpoint with NaN, with infinities (float16 that overflowed), quantised to integers, or filled
with zeros by a download that never finished has the names and shapes of a sound one. Every feature
that it gives is worthless, and nothing later would tell.
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
# Beginning of a key, a piece of one, and what it tells.
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
    """The weight as float32; raises `InputError` naming it where it is not sound."""
    if array.dtype.name not in _FLOATS:
        raise InputError(
            f"{source}: {key} holds {array.dtype.name}, floating-point weights are needed; give "
            "the model as it was "
            "before it was quantised"
        )
    with np.errstate(all="ignore"):  # what is not finite afterwards is counted next
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
    """Raise `InputError` where sound weights made a parameter that is not finite (a negative
    variance, say).
    """
    if not np.isfinite(array).all():
        raise InputError(
            f"{source}: {', '.join(keys)} give {name} NaN or infinity; give another copy of the "
            "model"
        )


def likely_reason(keys: Iterable[str], architecture: str) -> str | None:
    """What keys that do not belong tell of where they come from, and what to do; None where they
    tell nothing.
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
