"""Reads a recording as an `Utterance`: decoded sound, prosody and transcript.

`read_utterance` takes a path (anything that `audio.waveform.load_audio` decodes), a recording that
is already decoded, or an array of samples with its rate. The sound is padded or cut to whole motion
frames: 640 samples and 2 rows of prosody for each of T = round(25 · seconds) frames.
"""

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soxr

from ksdiff_jax.audio.channels import Covariance, mix_in_time, one_channel
from ksdiff_jax.audio.pcm import scaled
from ksdiff_jax.audio.prosody import extract_prosody, normalise_prosody
from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ, SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.audio.waveform import AudioWarning, Recording, read_recording
from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.spoken_parts import spoken_text
from ksdiff_jax.speech.transcripts.spoken_words import Transcript, within
from ksdiff_jax.speech.utterance import Utterance, cut_utterance, noise_id_of_blocks, whole_frames
from ksdiff_jax.typing import Float, Int

_BLOCK_SAMPLES = 60 * SAMPLE_RATE_HZ
SpeechSource = str | Path | Recording | np.ndarray


def read_utterance(
    speech: SpeechSource,
    *,
    transcript: str | Transcript = "",
    max_tokens: int,
    sample_rate_hz: float | int | None = None,
    channel: int | None = None,
    audio_stream: int | None = None,
) -> Utterance:
    """Decode the sound, compute its prosody, give the pieces of the transcript their times.

    `max_tokens` is the number of tokens that the model reads in one window. `channel` and
    `audio_stream` select one channel and one sound track of the recording, counted from 1.
    """
    heard = whole = None
    if isinstance(speech, np.ndarray) or hasattr(speech, "__array__"):
        audio, digest = samples_at_16_khz(
            np.asarray(speech), sample_rate_hz=sample_rate_hz, channel=channel
        )
    else:
        recording = speech
        if not isinstance(recording, Recording):
            recording = read_recording(speech, channel=channel, audio_stream=audio_stream)
            for note in recording.notes:
                warnings.warn(note, AudioWarning, stacklevel=2)
        audio, heard, whole = recording.audio, recording.heard, recording.whole
        with heard.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    noise_id = noise_id_of_blocks(_decoded(audio))
    audio = whole_frames(audio) if whole is None else whole
    if isinstance(transcript, str):
        transcript = Transcript(transcript, "")
    elif transcript.spoken:
        transcript = within(transcript, duration_s=len(audio) / SAMPLE_RATE_HZ)
    prosody = extract_prosody(audio)
    utterance = Utterance(
        audio,
        normalise_prosody(prosody),
        np.zeros(max_tokens, np.int32),
        np.zeros(max_tokens, bool),
        digest,
        heard=heard,
        noise_id=noise_id,
        sound_id=noise_id,
        spoken=spoken_text(transcript, prosody[:, 1]),
    )
    return cut_utterance(utterance, 0, utterance.frames)


def _decoded(audio: Float[np.ndarray, "s"]) -> Iterator[Int[np.ndarray, "n"]]:
    """Yield the samples as 16-bit integers, block by block. Full scale is that of the decoder, so
    that the samples of a 16-bit file are found again.
    """
    for start in range(0, len(audio), _BLOCK_SAMPLES):
        block = audio[start : start + _BLOCK_SAMPLES]
        yield np.clip(np.rint(block * 32768.0), -32768, 32767).astype(np.int16)


def samples_at_16_khz(
    samples: np.ndarray, *, sample_rate_hz: float | int | None, channel: int | None = None
) -> tuple[Float[np.ndarray, "s"], str]:
    """Return an array of samples, (s,) or (s, channels), as mono float32 at 16 kHz, and the SHA-256
    of the given array.

    Channels are mixed as those of a file are (`audio.channels`); `channel`, counted from 1, selects
    one of them.
    """
    if sample_rate_hz is None or not 1_000 <= sample_rate_hz <= 1_000_000:
        raise InputError(
            f"speech as an array needs its rate: got sample_rate_hz={sample_rate_hz}, need e.g. "
            "16000"
        )
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "fi":
        raise InputError(
            f"speech as an array: got {samples.dtype} of shape {samples.shape}, need float "
            "(samples,)"
        )
    if samples.ndim == 2 and 0 < samples.shape[0] < samples.shape[1]:
        raise InputError(
            f"speech as an array: got shape {samples.shape}, need (samples, channels); transpose it"
        )
    digest = hashlib.sha256(np.ascontiguousarray(samples).reshape(-1).view(np.uint8)).hexdigest()
    if samples.size == 0 or not np.isfinite(samples).any():
        raise InputError(
            "speech as an array: "
            f"{'every sample is NaN or infinite' if samples.size else 'no samples'}"
        )
    channels = np.atleast_2d(scaled(samples.T))
    finite = channels
    if not np.isfinite(channels).all():
        finite = np.nan_to_num(channels, nan=0.0, posinf=0.0, neginf=0.0)
    layout = ("NONE",) * len(finite)
    covariance = Covariance(len(finite))
    covariance.add(finite)
    if channel is not None:
        mix = one_channel(layout, channel, path="speech as an array")
    else:
        mix = mix_in_time(layout, covariance, lambda: [(finite, round(sample_rate_hz))])
    mono = mix(finite)  # a copy, also of one channel
    np.clip(mono, -1.0, 1.0, out=mono)
    audio = soxr.resample(mono, sample_rate_hz, SAMPLE_RATE_HZ).astype(np.float32, copy=False)
    if len(audio) < SAMPLES_PER_MOTION_FRAME:
        raise InputError(
            f"speech as an array: {len(audio)} samples at 16 kHz, need at least "
            f"{SAMPLES_PER_MOTION_FRAME}"
        )
    return audio, digest
