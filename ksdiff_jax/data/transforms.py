"""From a clip on disk to what a model trains on: cut, pad, normalise, stack. NumPy, and pure.

    Clip -- example(start, frames) --> Example -- collate --> Batch

An Example holds arrays of exactly `frames` motion frames.

Prosody is normalised over the whole utterance before the cut (KSDiff §2.1: per utterance). A cut of
a clip whose words are timed reads only the words in it; otherwise it reads the clip's whole
transcript. Frames beyond the end of the clip are zeros with mask False.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.prosody import extract_prosody, normalise_prosody
from ksdiff_jax.audio.timebase import (
    MOTION_RATE_HZ,
    SPEECH_FRAMES_PER_MOTION_FRAME,
    samples_of_motion_frames,
)
from ksdiff_jax.audio.waveform import from_int16
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.system import Batch
from ksdiff_jax.speech.transcript import encode
from ksdiff_jax.speech.utterance import Speech, zero_padded
from ksdiff_jax.typing import Bool, Float, Int

FeaturesOf = Callable[[Clip], Float[np.ndarray, "f d"]]  # the kept speech features of a whole clip


class Example(NamedTuple):
    """One row of a `Batch`."""

    audio: Float[np.ndarray, "s"]
    prosody: Float[np.ndarray, "f 2"]
    mask: Bool[np.ndarray, "t"]
    tokens: Int[np.ndarray, "l"]
    token_mask: Bool[np.ndarray, "l"]
    motion: Float[np.ndarray, "t 59"]
    features: Float[np.ndarray, "f d"] | None = None


def example(
    clip: Clip,
    *,
    start: int,
    frames: int,
    max_tokens: int,
    features: Float[np.ndarray, "f2 d"] | None = None,
    with_audio: bool = True,
) -> Example:
    """Motion frames [start, start + frames) of a clip, zero padded past its end; `features` are the
    whole clip's.

    A model that has the features hears nothing else: without audio (0 samples) less is copied, and
    sent to the device.
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
    tokens, token_mask = encode(
        transcript_of_cut(clip, start=start, frames=frames), max_tokens=max_tokens
    )
    sound = from_int16(
        clip.audio[first_sample : first_sample + samples] if with_audio else clip.audio[:0]
    )
    return Example(
        audio=zero_padded(sound, samples_of_motion_frames(frames) if with_audio else 0),
        prosody=zero_padded(normalise_prosody(raw_prosody(clip))[first:last], last - first),
        mask=np.arange(start, start + frames) < clip.frames,
        tokens=tokens,
        token_mask=token_mask,
        motion=zero_padded(motion_of_clip(clip)[start : start + frames], frames),
        features=None if features is None else zero_padded(features[first:last], last - first),
    )


def random_start(rng: np.random.Generator, *, clip_frames: int, frames: int) -> int:
    """First frame of a random cut of `frames` frames; 0 where the clip is no longer than that."""
    return int(rng.integers(0, max(0, clip_frames - frames) + 1))


def raw_prosody(clip: Clip) -> Float[np.ndarray, "f 2"]:
    """The clip's own raw prosody, or, where it was not stored, computed from its sound."""
    if clip.prosody is not None:
        return clip.prosody
    return extract_prosody(
        from_int16(clip.audio), frames=SPEECH_FRAMES_PER_MOTION_FRAME * clip.frames
    )


def transcript_of_cut(clip: Clip, *, start: int, frames: int) -> str:
    """What is said in frames [start, start + frames): the words whose middle lies there, if words
    are timed.
    """
    if not clip.words or (start == 0 and frames >= clip.frames):
        return clip.transcript
    start_s, end_s = start / clip.fps, (start + frames) / clip.fps
    return " ".join(
        word.text for word in clip.words if start_s <= (word.start_s + word.end_s) / 2 < end_s
    )


def collate(examples: Sequence[Example]) -> Batch:
    """Examples of one length as the rows of a batch."""
    *columns, features = zip(*examples, strict=True)
    audio, prosody, mask, tokens, token_mask, motion = map(np.stack, columns)
    speech = Speech(
        audio=audio,
        prosody=prosody,
        mask=mask,
        tokens=tokens,
        token_mask=token_mask,
        features=None if features[0] is None else np.stack(features),
    )
    return Batch(speech=speech, motion=motion)
