"""One clip of speech, and a batch of clips padded to one length.

An `Utterance` is a clip at its own length: T motion frames, 640 T samples and 2 T rows of prosody.
`pad_utterance` makes a row of `frames` motion frames from it; the rows of several clips, stacked,
are the `Speech` that a system takes:

    Utterance -- pad_utterance --> Speech (s), (f 2), (t), (l) ... -- stack_rows --> Speech (b ...)

What follows the clip is zero, and its mask is False.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

from ksdiff_jax.audio.timebase import (
    SAMPLES_PER_MOTION_FRAME,
    SPEECH_FRAMES_PER_MOTION_FRAME,
    motion_frames,
    samples_of_motion_frames,
)
from ksdiff_jax.typing import AnyArray, Array, Bool, Float, Int

if TYPE_CHECKING:  # it needs packages that `bench device` does without
    from ksdiff_jax.audio.heard import Heard


class Speech(NamedTuple):
    """A batch of speech. Padding follows the valid part; masks are True where valid."""

    audio: Float[Array, "b s"]  # 16 kHz, s = 640 t, zeros where invalid
    # log f0 and log energy, normalised per utterance, zeros where invalid
    prosody: Float[Array, "b f 2"]
    mask: Bool[Array, "b t"]  # valid motion frames
    tokens: Int[Array, "b l"]  # transcript.encode, 0 where invalid
    token_mask: Bool[Array, "b l"]
    # of the speech encoder; where they are given, the system does not run it
    features: Float[Array, "b f d"] | None = None


class Utterance(NamedTuple):
    """One clip of speech at its own length."""

    audio: Float[np.ndarray, "s"]  # 16 kHz, s = 640 t
    prosody: Float[np.ndarray, "f 2"]  # log f0 and log energy, normalised
    tokens: Int[np.ndarray, "l"]
    token_mask: Bool[np.ndarray, "l"]
    digest: str  # SHA-256 of the file or the array that the sound comes from
    # of the speech encoder, where it runs on whole recordings
    features: Float[np.ndarray, "f d"] | None = None
    heard: "Heard | None" = None  # channels and track of the file; None for an array

    @property
    def frames(self) -> int:
        """Motion frames."""
        return len(self.audio) // SAMPLES_PER_MOTION_FRAME


def whole_frames(
    audio: Float[np.ndarray, "s"], frames: int | None = None
) -> Float[np.ndarray, "_"]:
    """The sound padded or cut to `frames` motion frames, by default round(25 · seconds)."""
    samples = samples_of_motion_frames(motion_frames(len(audio)) if frames is None else frames)
    return zero_padded(audio[:samples], samples)


def pad_utterance(utterance: Utterance, frames: int) -> Speech:
    """The row of a batch: an utterance padded to `frames` motion frames."""
    rows = SPEECH_FRAMES_PER_MOTION_FRAME * frames
    features = utterance.features
    return Speech(
        audio=zero_padded(utterance.audio, samples_of_motion_frames(frames)),
        prosody=zero_padded(utterance.prosody, rows),
        mask=np.arange(frames) < utterance.frames,
        tokens=utterance.tokens,
        token_mask=utterance.token_mask,
        features=None if features is None else zero_padded(features, rows),
    )


def stack_rows(rows: Sequence[Speech]) -> Speech:
    """Rows of one length as a batch."""
    return jax.tree.map(lambda *arrays: np.stack(arrays), *rows)


def cut_utterance(utterance: Utterance, start: int, stop: int) -> Utterance:
    """Motion frames [start, stop) of an utterance, with the whole transcript."""
    first, last = (SPEECH_FRAMES_PER_MOTION_FRAME * frame for frame in (start, stop))
    features = utterance.features
    return utterance._replace(
        audio=utterance.audio[samples_of_motion_frames(start) : samples_of_motion_frames(stop)],
        prosody=utterance.prosody[first:last],
        features=None if features is None else features[first:last],
    )


def zero_padded(values: AnyArray, length: int) -> np.ndarray:
    """An array of `length` rows: the values, then zeros."""
    missing = length - len(values)
    return np.pad(values, [(0, missing)] + [(0, 0)] * (values.ndim - 1)) if missing else values
