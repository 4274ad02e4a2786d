"""One clip of speech, and a batch of clips padded to one length.

An `Utterance` is a clip at its own length: T motion frames, 640 T samples and 2 T rows of prosody.
`pad_utterance` pads it to a row of `frames` motion frames. The stacked rows of several clips form
the `Speech` that a system takes as input:

    Utterance -- pad_utterance --> Speech (s), (f 2), (t), (l) ... -- stack_rows --> Speech (b ...)

Values after the end of the clip are zero, and their mask is False.
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.audio.timebase import (
    MOTION_RATE_HZ,
    SAMPLES_PER_MOTION_FRAME,
    SPEECH_FRAMES_PER_MOTION_FRAME,
    motion_frames,
    samples_of_motion_frames,
)
from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.feature_rows import FeatureRows
from ksdiff_jax.speech.spoken_parts import Part, SpokenText, part_between
from ksdiff_jax.speech.transcript import SPECIAL_TOKENS, encode
from ksdiff_jax.typing import AnyArray, Array, Bool, Float, Int

if TYPE_CHECKING:  # the import needs packages that `bench device` does not require
    from ksdiff_jax.audio.voice import VoiceSource

PREDICTED = -1  # in place of a keyframe bit: the system predicts it


class Held(NamedTuple):
    """What an edited sample keeps (diffusion/in_painting.py)."""

    motion: Float[AnyArray, "*b t m"]  # raw coefficients (motion/space.py)
    pinned: Bool[AnyArray, "*b t m"]  # whether the sample has this number of `motion`
    free: Bool[AnyArray, "*b t"]  # frames that may differ from the sample without the edit
    keyframes: Int[AnyArray, "*b t 2"]  # bits of the sample without the edit


class Joint(NamedTuple):
    """How the windows of a long clip, which are neighbouring rows of a batch, are sampled as one
    motion (diffusion/joint.py).
    """

    before: Int[AnyArray, "*b"]  # frames shared with the row before; 0: none
    after: Int[AnyArray, "*b"]  # frames shared with the row after
    held: Bool[AnyArray, "*b t"]  # frames of windows that were sampled earlier
    motion: Float[AnyArray, "*b t m"]  # their raw coefficients
    unedited: Float[AnyArray, "*b t m"]  # those of the sample without the edit
    # rows that are a window; they are computed in turn. None: all are, as one batch
    present: Bool[AnyArray, "*b"] | None = None


class Speech(NamedTuple):
    """A batch of speech. Padding follows the valid part; masks are True where valid."""

    audio: Float[Array, "b s"]  # 16 kHz, s = 640 t, zeros where invalid
    # log f0 and log energy, normalised per utterance, zeros where invalid
    prosody: Float[Array, "b f 2"]
    mask: Bool[Array, "b t"]  # valid motion frames
    tokens: Int[Array, "b l"]  # transcript.encode, 0 where invalid
    token_mask: Bool[Array, "b l"]
    # output of the speech encoder; if it is given, the system does not run the encoder
    features: Float[Array, "b f d"] | None = None
    # keyframes of expression and head placed by hand: 1, or 0 for none, or PREDICTED
    keyframes: Int[Array, "b t 2"] | None = None
    # clips in the causal mode, whose prosody has running statistics; None: none is
    causal: Bool[Array, "b"] | None = None
    held: Held | None = None  # what an edit keeps; None: nothing is edited
    joint: Joint | None = None  # how the rows are one clip; None: each is a clip of its own


class Utterance(NamedTuple):
    """One clip of speech at its own length."""

    audio: Float[np.ndarray, "s"]  # 16 kHz, s = 640 t
    prosody: Float[np.ndarray, "f 2"]  # log f0 and log energy, normalised
    tokens: Int[np.ndarray, "l"]
    token_mask: Bool[np.ndarray, "l"]
    digest: str  # SHA-256 of the file or the array that contains the sound
    # output of the speech encoder, if it runs on whole recordings
    features: Float[np.ndarray, "f d"] | FeatureRows | None = None
    heard: "VoiceSource | None" = None  # channels and track of the file; None for an array
    # recordings of one id and seed get the same noise; that of "" depends on the seed alone
    noise_id: str = ""
    spoken: SpokenText = SpokenText("", ())  # the text of `tokens`, with times
    keyframes: Int[np.ndarray, "t 2"] | None = None  # placed by hand; None: all predicted
    sound_id: str = ""  # noise id of the decoded sound
    causal: bool = False  # prosody and features have a bounded look-ahead
    held: Held | None = None  # what an edit keeps; None: nothing is edited
    edit: object = None  # what is changed in its motion (animate/editing.py)

    @property
    def frames(self) -> int:
        """Return the number of motion frames."""
        return len(self.audio) // SAMPLES_PER_MOTION_FRAME

    def with_keyframes(
        self,
        *,
        expression: Sequence[float] | None = None,
        head: Sequence[float] | None = None,
    ) -> "Utterance":
        """Return this clip with keyframes placed by hand, at times in seconds.

        They replace all that the system would predict for that path. An empty list places none;
        with None the system predicts. Raise `InputError` for a time outside the clip.
        """
        bits = np.full((self.frames, 2), PREDICTED, np.int32)
        for track, (path, times_s) in enumerate({"expression": expression, "head": head}.items()):
            if times_s is None:
                continue
            bits[:, track] = 0
            for time_s in times_s:
                if not 0 <= time_s <= self.frames / MOTION_RATE_HZ:  # NaN neither
                    raise InputError(
                        f"keyframe of the {path} at {time_s:g} s: need a time within the speech, "
                        f"0 to {self.frames / MOTION_RATE_HZ:g} s"
                    )
                bits[min(round(MOTION_RATE_HZ * time_s), self.frames - 1), track] = 1
        return self._replace(keyframes=bits)


def silent_speech(*, frames: int = 8, tokens: int = SPECIAL_TOKENS) -> Speech:
    """Return silence (one clip of `frames` motion frames) without a transcript, as input of
    initialisation.
    """
    return Speech(
        audio=jnp.zeros((1, SAMPLES_PER_MOTION_FRAME * frames)),
        prosody=jnp.zeros((1, SPEECH_FRAMES_PER_MOTION_FRAME * frames, 2)),
        mask=jnp.ones((1, frames), bool),
        tokens=jnp.zeros((1, tokens), jnp.int32),
        token_mask=jnp.ones((1, tokens), bool),
    )


def noise_id_of(samples: Int[np.ndarray, "s"]) -> str:
    """Return the SHA-256 of 16-bit samples at 16 kHz: the noise id of a recording unless one is
    given.
    """
    return noise_id_of_blocks([samples])


def noise_id_of_blocks(blocks: Iterable[Int[np.ndarray, "n"]]) -> str:
    """Return `noise_id_of` the blocks one after another."""
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(np.ascontiguousarray(block, "<i2"))
    return digest.hexdigest()


def whole_frames(
    audio: Float[np.ndarray, "s"], frames: int | None = None
) -> Float[np.ndarray, "_"]:
    """Return the sound padded or cut to `frames` motion frames, by default round(25 · seconds)."""
    samples = samples_of_motion_frames(motion_frames(len(audio)) if frames is None else frames)
    return zero_padded(audio[:samples], samples)


def pad_utterance(utterance: Utterance, frames: int) -> Speech:
    """Return an utterance padded to `frames` motion frames, as one row of a batch."""
    rows = SPEECH_FRAMES_PER_MOTION_FRAME * frames
    features, keyframes, held = utterance.features, utterance.keyframes, utterance.held
    return Speech(
        audio=zero_padded(utterance.audio, samples_of_motion_frames(frames)),
        prosody=zero_padded(utterance.prosody, rows),
        mask=np.arange(frames) < utterance.frames,
        tokens=utterance.tokens,
        token_mask=utterance.token_mask,
        features=None if features is None else zero_padded(features, rows),
        keyframes=None if keyframes is None else zero_padded(keyframes, frames),
        held=None if held is None else Held(*(zero_padded(values, frames) for values in held)),
    )


def alike(utterances: Sequence[Utterance]) -> list[Utterance]:
    """Return utterances that fit into one batch: if some have keyframes placed by hand, the others
    have `PREDICTED`.
    """
    if all(utterance.keyframes is None for utterance in utterances):
        return list(utterances)
    return [u.with_keyframes() if u.keyframes is None else u for u in utterances]


def stack_rows(rows: Sequence[Speech]) -> Speech:
    """Stack rows of one length to a batch."""
    return jax.tree.map(lambda *arrays: np.stack(arrays), *rows)


def part_of_text(utterance: Utterance, start: int, stop: int) -> Part:
    """Return the transcript of motion frames [start, stop), in the bytes that the model reads.

    What is spoken before the first or after the last frame belongs to that frame.
    """
    max_bytes = len(utterance.tokens) - SPECIAL_TOKENS
    start_s = start / MOTION_RATE_HZ if start else -math.inf
    end_s = stop / MOTION_RATE_HZ if stop < utterance.frames else math.inf
    return part_between(utterance.spoken, start_s, end_s, max_bytes=max_bytes)


def cut_utterance(utterance: Utterance, start: int, stop: int) -> Utterance:
    """Return motion frames [start, stop) of an utterance, with the part of the transcript that is
    spoken in them.
    """
    part = part_of_text(utterance, start, stop)
    tokens, token_mask = encode(part.text, max_tokens=len(utterance.tokens))
    first, last = (SPEECH_FRAMES_PER_MOTION_FRAME * frame for frame in (start, stop))
    features, keyframes, held = utterance.features, utterance.keyframes, utterance.held
    return utterance._replace(
        audio=utterance.audio[samples_of_motion_frames(start) : samples_of_motion_frames(stop)],
        prosody=utterance.prosody[first:last],
        tokens=tokens,
        token_mask=token_mask,
        features=None if features is None else features[first:last],
        keyframes=None if keyframes is None else keyframes[start:stop],
        held=None if held is None else Held(*(values[start:stop] for values in held)),
    )


def zero_padded(values: AnyArray, length: int) -> np.ndarray:
    """Return an array of `length` rows: the values, then zeros."""
    missing = length - len(values)
    return np.pad(values, [(0, missing)] + [(0, 0)] * (values.ndim - 1)) if missing else values
