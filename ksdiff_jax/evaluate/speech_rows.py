"""Features of a whole recording at 25 Hz: the input of the ridges and of the level baseline.

| features | per frame | neighbours |
|---|---|---|
| level | log energy, smoothed by (1, 2, 3, 2, 1) / 9 | |
| log-mel | 40 bands, of mean 0 and variance 1 over the recording | ±5 frames |
| encoder | the output of the system's own speech encoder | ±1 frame |

Speech features have 50 Hz; the two of a motion frame are averaged.
"""

import functools

import flax.linen as nn
import jax
import numpy as np

from ksdiff_jax.audio.mel import log_mel, normalise_mel
from ksdiff_jax.audio.prosody import log_energy
from ksdiff_jax.audio.timebase import SPEECH_FRAMES_PER_MOTION_FRAME, samples_of_motion_frames
from ksdiff_jax.config import Config
from ksdiff_jax.evaluate.ridge import with_neighbours
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.speech.encoder import build_encoder
from ksdiff_jax.speech.utterance import Utterance, zero_padded
from ksdiff_jax.typing import Array, Bool, Float, PyTree

MEL_BANDS, MEL_REACH, ENCODER_REACH = 40, 5, 1
SMOOTHING = np.array([1, 2, 3, 2, 1]) / 9
_BLOCK_FRAMES = 256  # recordings are padded to blocks, so that few lengths are compiled


def level(utterance: Utterance) -> Float[np.ndarray, "t"]:
    """Return the smoothed level of speech, in nepers."""
    energy = _at_motion_rate(log_energy(utterance.audio)[:, None])[:, 0]
    reach = len(SMOOTHING) // 2
    return np.convolve(np.pad(energy, reach, mode="edge"), SMOOTHING, "valid")


def mel_rows(utterance: Utterance) -> Float[np.ndarray, "t d"]:
    """Return log-mel features with their neighbours."""
    audio, mask = _padded(utterance)
    rows = np.asarray(_mel(audio, mask))[0]
    return with_neighbours(_of_utterance(rows, utterance), reach=MEL_REACH)


def encoder_rows(
    utterance: Utterance, *, config: Config, params: PyTree
) -> Float[np.ndarray, "t d"]:
    """Return the features of a system's speech encoder with their neighbours."""
    if utterance.features is not None:
        rows = np.asarray(utterance.features, np.float32)
    else:
        audio, mask = _padded(utterance)
        encoder = build_encoder(config.model.encoder, Execution())
        features = _encode(params["encoder"], audio, mask, encoder=encoder)
        rows = np.asarray(features, np.float32)[0]
    return with_neighbours(_of_utterance(rows, utterance), reach=ENCODER_REACH)


def _padded(utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
    """Return sound (1, s) and mask (1, f) of whole blocks."""
    frames = -(-utterance.frames // _BLOCK_FRAMES) * _BLOCK_FRAMES
    audio = zero_padded(utterance.audio, samples_of_motion_frames(frames))[None]
    valid = SPEECH_FRAMES_PER_MOTION_FRAME * utterance.frames
    return audio, (np.arange(SPEECH_FRAMES_PER_MOTION_FRAME * frames) < valid)[None]


def _of_utterance(rows: np.ndarray, utterance: Utterance) -> np.ndarray:
    return _at_motion_rate(rows[: SPEECH_FRAMES_PER_MOTION_FRAME * utterance.frames])


def _at_motion_rate(rows: Float[np.ndarray, "f d"]) -> Float[np.ndarray, "t d"]:
    return rows.reshape(-1, SPEECH_FRAMES_PER_MOTION_FRAME, rows.shape[-1]).mean(axis=1)


@jax.jit
def _mel(audio: Float[Array, "b s"], mask: Bool[Array, "b f"]) -> Float[Array, "b f d"]:
    return normalise_mel(log_mel(audio, bands=MEL_BANDS), mask)


@functools.partial(jax.jit, static_argnames="encoder")
def _encode(
    params: PyTree, audio: Float[Array, "b s"], mask: Bool[Array, "b f"], *, encoder: nn.Module
) -> Float[Array, "b f d"]:
    return encoder.apply({"params": params}, audio, mask)
