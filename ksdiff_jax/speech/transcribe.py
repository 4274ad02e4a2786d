"""Transcribes a recording with transformers' Whisper, if torch and a model are available.

Whisper (Radford et al. 2022, §3.8) reads long recordings in windows of 30 s. Each window starts
where the previous one ended. The times of words come from its cross-attention. transformers
implements both. This module converts its output to a `Transcript` whose words are in order and
inside the recording.
"""

import importlib.util
from collections.abc import Callable

import numpy as np

from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ
from ksdiff_jax.errors import InputError, first_line
from ksdiff_jax.speech.transcripts.chunks import spoken_words
from ksdiff_jax.speech.transcripts.spoken_words import Transcript
from ksdiff_jax.typing import Float

Transcriber = Callable[[np.ndarray], Transcript]


def load_transcriber(model: str) -> Transcriber:
    """Return a function from samples (s,) at 16 kHz to their transcript, computed by a Whisper
    model in a folder or on the hub.

    Raises `InputError` in one line if torch is missing, or if there is no local model of this name
    and no network.
    """
    if importlib.util.find_spec("torch") is None:
        raise InputError(
            f"--transcribe {model} needs torch, which is not installed; pip install "
            '"ksdiff-jax[transcribe]"'
        )
    from transformers import pipeline
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        recogniser = pipeline("automatic-speech-recognition", model=model)
    except Exception as error:  # the hub's client and the model classes raise many types
        raise InputError(
            f"--transcribe {model}: no such model here, and it could not be downloaded from the "
            f"Hugging Face hub ({type(error).__name__}: {first_line(error)}); download a Whisper "
            "where there is a network and name its folder"
        ) from error
    if getattr(recogniser.model.config, "model_type", "") != "whisper":
        raise InputError(
            f"--transcribe {model}: a {recogniser.model.config.model_type}; a Whisper is needed"
        )

    def transcribe(audio: Float[np.ndarray, "s"]) -> Transcript:
        heard = recogniser(
            {"raw": np.asarray(audio, np.float32), "sampling_rate": SAMPLE_RATE_HZ},
            return_timestamps="word",
        )
        words = spoken_words(heard["chunks"], duration_s=len(audio) / SAMPLE_RATE_HZ)
        return Transcript(heard["text"].strip(), model, "word", words)

    return transcribe
