"""The teacher of a student: the encoder that `model.teacher.path` names.

It never runs in a training step. Its features of every clip are computed once, before the first
step, and kept (`data/features.py`).
"""

from dataclasses import replace

import jax

from ksdiff_jax.config import Config
from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.load import SpeechEncoder, load_encoder


def with_teacher(config: Config) -> tuple[Config, SpeechEncoder | None]:
    """Return the configuration with its teacher written into it, and that encoder; (config, None)
    for a system that has none.

    Raise `InputError` if there is no such encoder, or if its weights are not those that the
    configuration was trained with.
    """
    if config.system != "student":
        return config, None
    settings = config.model.teacher
    if not settings.path:
        raise InputError(
            "model.teacher.path is empty: a student needs the encoder that it learns from, a "
            "folder or a name on the Hugging Face hub such as openai/whisper-tiny.en"
        )
    try:
        encoder = load_encoder(settings.path)
    except InputError as error:
        raise InputError(f"model.teacher.path: {error}") from error
    if settings.digest not in ("", encoder.digest):
        raise InputError(
            f"model.teacher.path {settings.path}: this encoder's weights have digest "
            f"{encoder.digest[:12]}, the student was trained with {settings.digest[:12]}; name "
            "that encoder"
        )
    encoder = replace(encoder, params=jax.device_put(encoder.params))
    teacher = replace(settings, digest=encoder.digest, width=encoder.width)
    return replace(config, model=replace(config.model, teacher=teacher)), encoder
