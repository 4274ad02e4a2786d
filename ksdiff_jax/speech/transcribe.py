"""Hearing what is said: transformers' Whisper, where torch and a model are at hand.

Whisper (Radford et al. 2022, §3.8) reads long recordings in windows of 30 s, each from where the last one ended; the
times of words come from its cross-attention. Both are transformers' work; here its output becomes a `Transcript`
whose words lie in order and inside the recording.
"""

import importlib.util
import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ
from ksdiff_jax.errors import InputError, first_line
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript
from ksdiff_jax.typing import Float

Transcriber = Callable[[np.ndarray], Transcript]


def load_transcriber(model: str) -> Transcriber:
    """A function from samples (s,) at 16 kHz to their transcript, by a Whisper in a folder or on the hub.

    Raises `InputError` in one line where torch is missing, or there is no such model here and no network.
    """
    if importlib.util.find_spec("torch") is None:
        raise InputError(
            f'--transcribe {model} needs torch, which is not installed; pip install "ksdiff-jax[transcribe]"'
        )
    from transformers import pipeline
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        recogniser = pipeline("automatic-speech-recognition", model=model)
    except Exception as error:  # the hub's client and the model classes raise all kinds
        raise InputError(
            f"--transcribe {model}: no such model here, and the Hugging Face hub did not give it "
            f"({type(error).__name__}: {first_line(error)}); download a Whisper where there is a network and "
            "name its folder"
        ) from error
    if getattr(recogniser.model.config, "model_type", "") != "whisper":
        raise InputError(f"--transcribe {model}: a {recogniser.model.config.model_type}; a Whisper is needed")

    def transcribe(audio: Float[np.ndarray, "s"]) -> Transcript:
        heard = recogniser(
            {"raw": np.asarray(audio, np.float32), "sampling_rate": SAMPLE_RATE_HZ},
            return_timestamps="word",
        )
        words = spoken_words(heard["chunks"], duration_s=len(audio) / SAMPLE_RATE_HZ)
        return Transcript(heard["text"].strip(), model, "word", words)

    return transcribe


def spoken_words(chunks: Iterable[Mapping], *, duration_s: float) -> tuple[Spoken, ...]:
    """Words of `{"text", "timestamp": (start, end)}`, in order, none before the last one began nor after the end.

    An open end (None: the window ended in the word) is where the next word begins, or the recording ends; an open
    start is where the last word ends.
    """
    texts, starts, ends = [], [], []
    for chunk in chunks:
        if text := str(chunk["text"]).strip():
            start, end = chunk["timestamp"]
            texts.append(text)
            starts.append(math.nan if start is None else float(start))
            ends.append(math.nan if end is None else float(end))
    following, later = [duration_s] * len(texts), duration_s
    for index in range(len(texts) - 1, -1, -1):
        following[index] = later
        later = later if math.isnan(starts[index]) else starts[index]
    words: list[Spoken] = []
    earliest_s = after_s = 0.0  # where the last word begins, and where it is known to end
    for index, text in enumerate(texts):
        start_s = min(after_s, following[index]) if math.isnan(starts[index]) else starts[index]
        start_s = min(max(start_s, earliest_s), duration_s)
        end_s = following[index] if math.isnan(ends[index]) else ends[index]
        words.append(Spoken(text, start_s, min(max(end_s, start_s), duration_s)))
        earliest_s = start_s
        after_s = start_s if math.isnan(ends[index]) else words[-1].end_s
    return tuple(words)
