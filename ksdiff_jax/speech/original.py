"""A pretrained encoder in the format of another tool, read from its folder: its layout, and its
weights under the keys of that tool.
"""

from pathlib import Path
from typing import NamedTuple

from ksdiff_jax.speech.config import EncoderLayout
from ksdiff_jax.speech.hugging_face import WEIGHTS_FILES, read_weights
from ksdiff_jax.speech.hugging_face_config import read_config
from ksdiff_jax.speech.weight_origins import Weights
from ksdiff_jax.speech.whisper_config import CTRANSLATE2_FILE, read_ctranslate2_whisper


class Original(NamedTuple):
    """Layout and weights; `hugging_face.convert_weights` makes parameters of them."""

    config: EncoderLayout
    weights: Weights


def read_original(folder: Path) -> Original:
    """Return the encoder in a folder of Hugging Face or, if it has only `model.bin`, of
    CTranslate2; raise `InputError` if there is none.
    """
    whole = folder / CTRANSLATE2_FILE
    if whole.is_file() and not any((folder / name).is_file() for name in WEIGHTS_FILES):
        config, model = read_ctranslate2_whisper(whole)
        return Original(config, model.variables)
    return Original(read_config(folder), read_weights(folder))
