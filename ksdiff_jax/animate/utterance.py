"""What is to be spoken, ready for a system: sound, prosody and transcript, at full length and without padding.

`read_utterance` takes a path (anything `audio.waveform.load_audio` decodes) or an array of samples with its rate,
and returns an `Utterance` whose sound is padded or cut to whole motion frames: 640 samples and 2 rows of prosody for
each of T = round(25 · seconds) frames.
"""

import hashlib
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr

from ksdiff_jax.audio.prosody import extract_prosody, normalise_prosody
from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ, SAMPLES_PER_MOTION_FRAME, motion_frames, samples_of_motion_frames
from ksdiff_jax.audio.waveform import load_audio
from ksdiff_jax.errors import InputError, Notice
from ksdiff_jax.speech import transcript
from ksdiff_jax.typing import Bool, Float, Int


class TranscriptWarning(Notice):
    """The transcript does not fit into the model's tokens and was cut."""


class Utterance(NamedTuple):
    """One clip of speech."""

    audio: Float[np.ndarray, "s"]  # 16 kHz, s = 640 t
    prosody: Float[np.ndarray, "f 2"]  # log f0, log energy, normalised; f = 2 t
    tokens: Int[np.ndarray, "l"]
    token_mask: Bool[np.ndarray, "l"]
    audio_sha256: str
    features: Float[np.ndarray, "f d"] | None = None  # of the speech encoder, where it is a pretrained one

    @property
    def frames(self) -> int:
        """Motion frames."""
        return len(self.audio) // SAMPLES_PER_MOTION_FRAME


def read_utterance(
    speech: str | Path | np.ndarray,
    *,
    transcript_text: str = "",
    max_tokens: int,
    sample_rate_hz: float | int | None = None,
) -> Utterance:
    """Decode, measure prosody, encode the transcript; warns with `TranscriptWarning` where the transcript is cut."""
    if isinstance(speech, np.ndarray) or hasattr(speech, "__array__"):
        audio, digest = samples_at_16_khz(np.asarray(speech), sample_rate_hz=sample_rate_hz)
    else:
        audio = load_audio(speech)
        with Path(speech).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    samples = samples_of_motion_frames(motion_frames(len(audio)))
    audio = np.pad(audio[:samples], (0, max(0, samples - len(audio))))
    if not transcript.fits(transcript_text, max_tokens=max_tokens):
        size = len(transcript_text.encode("utf-8", errors="replace"))
        warnings.warn(
            f"the transcript is {size:,} bytes long; this checkpoint reads the first "
            f"{max_tokens - 2} and the rest is left out",
            TranscriptWarning,
            stacklevel=2,
        )
    tokens, token_mask = transcript.encode(transcript_text, max_tokens=max_tokens)
    return Utterance(audio, normalise_prosody(extract_prosody(audio)), tokens, token_mask, digest)


def samples_at_16_khz(samples: np.ndarray, *, sample_rate_hz: float | int | None) -> tuple[Float[np.ndarray, "s"], str]:
    """An array of samples, (s,) or (s, channels), as mono float32 at 16 kHz, and the SHA-256 of what was given."""
    if sample_rate_hz is None or not 1_000 <= sample_rate_hz <= 1_000_000:
        raise InputError(f"speech as an array needs its rate: got sample_rate_hz={sample_rate_hz}, need e.g. 16000")
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "fi":
        raise InputError(f"speech as an array: got {samples.dtype} of shape {samples.shape}, need float (samples,)")
    digest = hashlib.sha256(np.ascontiguousarray(samples).tobytes()).hexdigest()
    if samples.dtype.kind == "i":
        samples = samples / -float(np.iinfo(samples.dtype).min)
    mono = samples.astype(np.float32) if samples.ndim == 1 else samples.astype(np.float32).mean(axis=1)
    if mono.size == 0 or not np.isfinite(mono).any():
        raise InputError(f"speech as an array: {'no samples' if mono.size == 0 else 'every sample is NaN or infinite'}")
    mono = np.clip(np.nan_to_num(mono, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)
    audio = soxr.resample(mono, sample_rate_hz, SAMPLE_RATE_HZ).astype(np.float32)
    if len(audio) < SAMPLES_PER_MOTION_FRAME:
        raise InputError(
            f"speech as an array: {len(audio)} samples at 16 kHz, need at least {SAMPLES_PER_MOTION_FRAME}"
        )
    return audio, digest
