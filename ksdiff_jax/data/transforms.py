"""From a clip on disk to a training row: cut, pad, normalise, stack. Pure functions of NumPy
arrays.

    Clip -- cut(start, frames) --> row -- collate (data/batch.py) --> Batch

A row contains arrays of exactly `frames` motion frames.

Prosody is normalised over the whole utterance before the cut (KSDiff §2.1: per utterance), that of
a causal row by running statistics from the utterance's beginning. A cut
contains the words that are spoken in it (`speech.spoken_parts`): by their times, or, if the words
of the clip have none, in proportion to the speech before them. Frames beyond the end of the clip
are zeros with mask False.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ksdiff_jax.audio.prosody import extract_prosody, log_energy, normalise_prosody
from ksdiff_jax.audio.running_prosody import normalise_so_far
from ksdiff_jax.audio.timebase import (
    MOTION_RATE_HZ,
    SAMPLES_PER_SPEECH_FRAME,
    SPEECH_FRAMES_PER_MOTION_FRAME,
    samples_of_motion_frames,
)
from ksdiff_jax.audio.waveform import from_int16
from ksdiff_jax.config import AugmentConfig, Config
from ksdiff_jax.data.augment import augment, lose_pitch
from ksdiff_jax.data.batch import Batch
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.spoken_parts import part_between, spoken_text
from ksdiff_jax.speech.transcript import SPECIAL_TOKENS, encode
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript
from ksdiff_jax.speech.utterance import Speech, zero_padded
from ksdiff_jax.typing import Bool, Float

# Returns the cached speech features of a whole clip.
FeaturesOf = Callable[[Clip], Float[np.ndarray, "f d"]]


def clip_row(
    clip: Clip,
    frames: int,
    *,
    config: Config,
    rng: np.random.Generator | None = None,
    features: Float[np.ndarray, "f2 d"] | None = None,
    keyframes: Bool[np.ndarray, "t 2"] | None = None,
    causal: bool | None = None,
    with_audio: bool = False,
) -> Batch:
    """Return one row of a batch: `System.example` of a system that generates motion from speech.

    With `rng` the row is a random cut, with its sound changed as in `config.data.augment`;
    `features` are those of the recorded sound, `keyframes` those of the whole clip. Without `rng`
    the row is the clip from its start, unchanged. `causal` is whether it is in the causal mode;
    None: the system has none. The sound is in a random row with features only if `with_audio`.
    """
    changes = config.data.augment if rng is not None else None
    if changes is not None and rng.random() < changes.pitch_loss:
        clip = replace(clip, prosody=lose_pitch(raw_prosody(clip), rng))
    row = cut(
        clip,
        start=0 if rng is None else random_start(rng, clip_frames=clip.frames, frames=frames),
        frames=frames,
        max_tokens=config.transcript_tokens,
        features=features,
        keyframes=keyframes,
        causal=causal,
        with_audio=with_audio or features is None or rng is None or changes is not None,
    )
    return row if changes is None else _augmented(row, rng, changes=changes)


def _augmented(row: Batch, rng: np.random.Generator, *, changes: AugmentConfig) -> Batch:
    """Return a row with augmented sound, and with the energy of its prosody recomputed from it,
    because noise also fills the pauses of the contour.
    """
    speech = row.speech
    samples = len(speech.audio) * int(speech.mask.sum()) // len(speech.mask)
    audio, prosody = np.zeros_like(speech.audio), np.zeros_like(speech.prosody)
    audio[:samples] = augment(speech.audio[:samples], rng, config=changes)
    energy = log_energy(audio[:samples])
    normalise = normalise_so_far if speech.causal else normalise_prosody
    contour = normalise(np.stack([np.zeros_like(energy), energy], axis=-1))
    prosody[:, 0] = speech.prosody[:, 0]
    prosody[: len(energy), 1] = contour[:, 1]
    return row._replace(speech=speech._replace(audio=audio, prosody=prosody))


def cut(
    clip: Clip,
    *,
    start: int,
    frames: int,
    max_tokens: int,
    features: Float[np.ndarray, "f2 d"] | None = None,
    keyframes: Bool[np.ndarray, "t 2"] | None = None,
    causal: bool | None = None,
    with_audio: bool = True,
) -> Batch:
    """Return motion frames [start, start + frames) of a clip, zero padded past its end; `features`
    and `keyframes` are those of the whole clip.

    A model that has the features does not read the audio. Without audio (0 samples), less data are
    copied and sent to the device. Raise `InputError` for a clip of another frame rate than 25 Hz.
    """
    if clip.fps != MOTION_RATE_HZ:
        raise InputError(
            f"clip {clip.clip_id!r}: {clip.fps:g} frames per second; {MOTION_RATE_HZ} are needed"
        )
    first, last = (
        SPEECH_FRAMES_PER_MOTION_FRAME * start,
        SPEECH_FRAMES_PER_MOTION_FRAME * (start + frames),
    )
    first_sample = samples_of_motion_frames(start)
    samples = samples_of_motion_frames(min(frames, clip.frames - start))
    text = transcript_of_cut(
        clip, start=start, frames=frames, max_bytes=max_tokens - SPECIAL_TOKENS
    )
    tokens, token_mask = encode(text, max_tokens=max_tokens)
    sound = from_int16(
        clip.audio[first_sample : first_sample + samples] if with_audio else clip.audio[:0]
    )
    normalise = normalise_so_far if causal else normalise_prosody
    speech = Speech(
        audio=zero_padded(sound, samples_of_motion_frames(frames) if with_audio else 0),
        prosody=zero_padded(normalise(raw_prosody(clip))[first:last], last - first),
        mask=np.arange(start, start + frames) < clip.frames,
        tokens=tokens,
        token_mask=token_mask,
        features=None if features is None else zero_padded(features[first:last], last - first),
        causal=None if causal is None else np.bool_(causal),
    )
    motion, bits = (
        None if whole is None else zero_padded(whole[start : start + frames], frames)
        for whole in (motion_of_clip(clip), keyframes)
    )
    return Batch(speech, motion, bits)


def random_start(rng: np.random.Generator, *, clip_frames: int, frames: int) -> int:
    """Return the first frame of a random cut of `frames` frames; 0 if the clip is not longer."""
    return int(rng.integers(0, max(0, clip_frames - frames) + 1))


def raw_prosody(clip: Clip) -> Float[np.ndarray, "f 2"]:
    """Return the clip's stored raw prosody, or compute it from the sound if it was not stored."""
    if clip.prosody is not None:
        return clip.prosody
    return extract_prosody(
        from_int16(clip.audio), frames=SPEECH_FRAMES_PER_MOTION_FRAME * clip.frames
    )


def transcript_of_cut(clip: Clip, *, start: int, frames: int, max_bytes: int) -> str:
    """Return at most `max_bytes` of what is spoken in frames [start, start + frames); if it is
    longer, the words nearest the middle.
    """
    if not clip.transcript:
        return ""
    spoken = spoken_text(transcript_of_clip(clip), _energy(clip))
    start_s = start / clip.fps if start else -math.inf
    end_s = (start + frames) / clip.fps if start + frames < clip.frames else math.inf
    return part_between(spoken, start_s, end_s, max_bytes=max_bytes).text


def _energy(clip: Clip) -> Float[np.ndarray, "f"]:
    """Return the log energy of a clip at 50 Hz; unlike pitch, it is cheap to compute."""
    if clip.prosody is not None:
        return clip.prosody[:, 1]
    whole = len(clip.audio) // SAMPLES_PER_SPEECH_FRAME * SAMPLES_PER_SPEECH_FRAME
    return log_energy(from_int16(clip.audio[:whole]))


def transcript_of_clip(clip: Clip) -> Transcript:
    """Return the transcript of a clip, with the times of its words if the clip contains them."""
    words = tuple(Spoken(*word) for word in clip.words)
    return Transcript(clip.transcript, clip.source, "word", words)
