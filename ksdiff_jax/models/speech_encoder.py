"""A pretrained speech encoder as part of a system: the source of its weights, and its features
outside the network.

A configuration names an encoder by `model.encoder.path`. `with_encoder` loads the encoder and
writes two facts into the configuration: the layout, from which the network is built, and the digest
of the weights, by which every later run and every checkpoint identifies the encoder.
`encoder_params` returns the weights as part of a system's parameters.

Inside the network an encoder reads the cuts and windows of the network's input. `speech_features`
computes the features of a whole recording of any length, once for all its windows. If
`Speech.features` contains them, the network does not run its encoder. `sliding_features` computes
them with a bounded look-ahead, for the causal mode.
"""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from ksdiff_jax.audio.timebase import SAMPLES_PER_SPEECH_FRAME, SPEECH_RATE_HZ
from ksdiff_jax.config import Config
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.frozen import BACKBONE
from ksdiff_jax.speech.config import WhisperEncoderConfig
from ksdiff_jax.speech.encoder import frozen_dtype
from ksdiff_jax.speech.feature_rows import FeatureRows
from ksdiff_jax.speech.load import SpeechEncoder, load_encoder
from ksdiff_jax.typing import Float, PyTree

KEPT_FRAMES = 60_000  # 20 minutes; of a width of 384, 92 MB
SLIDING_STEP_FRAMES = 4  # of a Whisper's sliding form, at 50 Hz: 80 ms

SpeechFeatures = Callable[[np.ndarray], Float[np.ndarray, "f d"] | FeatureRows]


def with_encoder(
    config: Config, *, path: str | Path | None = None
) -> tuple[Config, SpeechEncoder | None]:
    """Return the configuration with its pretrained encoder written into it, and that encoder;
    (config, None) if it has none, or reads no speech.

    `path` is the location of the encoder here, if it differs from the one in the configuration.
    Raise `InputError` if there is no such encoder, or if its weights are not those that the
    configuration was trained with.
    """
    settings = getattr(config.model, "encoder", None)
    if settings is None:
        return config, None
    if settings.kind != "pretrained":
        if path is not None:
            raise InputError(
                f"encoder {path}: this model has its own ({settings.kind}); leave it out"
            )
        return config, None
    source = str(path or settings.path)
    if not source:
        raise InputError(
            "model.encoder.path is empty: a pretrained encoder needs the folder that `ksdiff-jax "
            "convert encoder` "
            "wrote, or a name on the Hugging Face hub such as facebook/wav2vec2-base-960h"
        )
    encoder = load_encoder(source)
    encoder = replace(encoder, params=jax.device_put(encoder.params))
    if settings.digest not in ("", encoder.digest):
        raise InputError(
            f"{source}: this encoder's weights have digest {encoder.digest[:12]}, the model was "
            "trained with "
            f"{settings.digest[:12]} ({settings.path}); name that encoder"
        )
    found = replace(settings, digest=encoder.digest, architecture=encoder.config)
    return replace(config, model=replace(config.model, encoder=found)), encoder


def encoder_params(encoder: SpeechEncoder | None) -> PyTree:
    """Return the weights of an encoder at their place in a system's tree of parameters; {} for
    None.
    """
    if encoder is None:
        return {}
    tree = encoder.params
    for name in reversed(BACKBONE):
        tree = {name: tree}
    return tree


def encodes_recordings(config: Config) -> bool:
    """Return whether the encoder can run outside the network: it is pretrained and its last layer
    is used.
    """
    return config.model.encoder.kind == "pretrained" and config.model.encoder.layer == "last"


def speech_features(config: Config, params: PyTree) -> SpeechFeatures:
    """Return the encoder in `params` as a function of one recording (s,) of any length; features of
    more than `KEPT_FRAMES` frames are computed when they are read (`speech.feature_rows`).
    """
    encoder = recording_encoder(config, params)

    def features(audio: np.ndarray) -> Float[np.ndarray, "f d"] | FeatureRows:
        long = len(audio) > KEPT_FRAMES * SAMPLES_PER_SPEECH_FRAME
        return encoder.rows(audio) if long else encoder.chunked(audio)

    return features


def sliding_features(config: Config, params: PyTree, *, ahead: int) -> SpeechFeatures:
    """Return the same encoder with a look-ahead: the features of frame i depend on the sound before
    the end of frame i + `ahead`, at 50 Hz, only.

    Raise `InputError` if the encoder, a Wav2Vec 2.0, has no such form.
    """
    encoder = recording_encoder(config, params)
    if not isinstance(encoder.config, WhisperEncoderConfig):
        return functools.partial(encoder.sliding, ahead_s=(ahead + 1) / SPEECH_RATE_HZ)
    step = min(SLIDING_STEP_FRAMES, ahead + 1)
    seconds = {"step_s": step / SPEECH_RATE_HZ, "ahead_s": (ahead + 1 - step) / SPEECH_RATE_HZ}
    return functools.partial(encoder.sliding, **seconds)


def recording_encoder(config: Config, params: PyTree) -> SpeechEncoder:
    """Return the pretrained encoder in `params`, for use outside the network."""
    settings, weights = config.model.encoder, params
    for name in BACKBONE:
        weights = weights[name]
    return SpeechEncoder(
        config=settings.architecture,
        params=jax.device_put(weights),  # copied once, not at every call
        digest=settings.digest,
        source=settings.path,
        dtype=config.model.compute_dtype if settings.finetune else str(frozen_dtype()),
    )
