"""Motion of a system for many recordings at once: whole clips, padded to a few lengths, in batches.

A clip is padded to the next bucket of `BUCKETS_FRAMES`, and the clips of a bucket are sampled in
batches of one size (the last one is filled up with copies), so that a test split compiles once per
bucket. The compiled function is keyed by the system and the options and is reused by later calls,
such as the next validation pass of a training run.

The noise of a clip is drawn from (seed, clip number, sample number) and its bucket alone: neither
the other clips nor the batch size changes it.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.audio.prosody import extract_prosody, normalise_prosody
from ksdiff_jax.audio.timebase import (
    SPEECH_FRAMES_PER_MOTION_FRAME,
    motion_frames,
    samples_of_motion_frames,
)
from ksdiff_jax.models.ksdiff.config import SampleConfig
from ksdiff_jax.models.system import Sample, Speech, Statistics, System
from ksdiff_jax.motion.layout import MOTION_DIMS
from ksdiff_jax.rng import stream
from ksdiff_jax.speech.transcript import encode
from ksdiff_jax.typing import Array, Bool, Float, Int, Key, PyTree

BUCKETS_FRAMES = (
    64,
    128,
    256,
    512,
    768,
    1024,
)  # few: a compilation costs more than the padding it saves
_FRAMES_PER_BATCH = 2048


class Utterance(NamedTuple):
    """What is said in one clip, before padding."""

    audio: Float[np.ndarray, "s"]  # 16 kHz
    prosody: Float[np.ndarray, "f 2"]  # normalised, f = 2t
    transcript: str
    # of the speech encoder, where it is a pretrained one
    features: Float[np.ndarray, "f d"] | None = None

    @property
    def frames(self) -> int:
        return len(self.prosody) // SPEECH_FRAMES_PER_MOTION_FRAME


class Prediction(NamedTuple):
    """Generated motion of one clip: n samples of the same speech.

    Keyframes are those of the first sample.
    """

    motion: Float[np.ndarray, "n t 59"]
    keyframes_expression: Bool[np.ndarray, "t"]
    keyframes_head: Bool[np.ndarray, "t"]


def utterance(
    audio: Float[np.ndarray, "s"],
    *,
    transcript: str = "",
    frames: int | None = None,
    prosody: Float[np.ndarray, "f 2"] | None = None,
    features: Float[np.ndarray, "f d"] | None = None,
) -> Utterance:
    """An utterance from samples in [-1, 1]; `prosody` is the raw one where it is known already, as
    are `features`.
    """
    frames = motion_frames(len(audio)) if frames is None else frames
    if prosody is None:
        prosody = extract_prosody(audio, frames=SPEECH_FRAMES_PER_MOTION_FRAME * frames)
    return Utterance(audio.astype(np.float32), normalise_prosody(prosody), transcript, features)


def bucket_frames(frames: int) -> int:
    """The padded length of a clip: the next bucket, beyond the last one the next multiple of it."""
    longest = BUCKETS_FRAMES[-1]
    return next((b for b in BUCKETS_FRAMES if frames <= b), -(-frames // longest) * longest)


def pad_speech(utterances: Sequence[Utterance], *, frames: int, max_tokens: int) -> Speech:
    """A batch of utterances padded with zeros to `frames` motion frames; sound beyond the motion is
    cut.
    """
    samples = samples_of_motion_frames(frames)
    audio = np.zeros((len(utterances), samples), np.float32)
    prosody = np.zeros((len(utterances), SPEECH_FRAMES_PER_MOTION_FRAME * frames, 2), np.float32)
    mask = np.zeros((len(utterances), frames), bool)
    for row, spoken in enumerate(utterances):
        heard = spoken.audio[: samples_of_motion_frames(spoken.frames)]
        audio[row, : len(heard)] = heard
        prosody[row, : len(spoken.prosody)] = spoken.prosody
        mask[row, : spoken.frames] = True
    tokens, token_masks = zip(
        *(encode(u.transcript, max_tokens=max_tokens) for u in utterances), strict=True
    )
    features = None
    if utterances[0].features is not None:
        features = np.zeros((*prosody.shape[:2], utterances[0].features.shape[1]), np.float32)
        for row, spoken in enumerate(utterances):
            features[row, : len(spoken.features)] = spoken.features
    return Speech(
        audio,
        prosody,
        mask,
        tokens=np.stack(tokens),
        token_mask=np.stack(token_masks),
        features=features,
    )


def predict(
    system: System,
    params: PyTree,
    statistics: Statistics,
    utterances: Sequence[Utterance],
    *,
    options: SampleConfig,
    seed: int = 0,
    samples: int = 1,
) -> list[Prediction]:
    """Motion of every utterance, in order."""
    key = stream(jax.random.key(seed), "evaluation")
    utterances = heard(utterances, system, params)
    max_tokens = system.config.model.transcript.max_tokens
    predictions: dict[int, Prediction] = {}
    buckets: dict[int, list[int]] = {}
    for number, spoken in enumerate(utterances):
        buckets.setdefault(bucket_frames(spoken.frames), []).append(number)
    for frames, numbers in sorted(buckets.items()):
        size = min(max(1, _FRAMES_PER_BATCH // frames), 1 << (len(numbers) - 1).bit_length())
        for start in range(0, len(numbers), size):
            chosen = numbers[start : start + size]
            rows = np.resize(chosen, size)  # the last batch repeats its clips until it is full
            speech = pad_speech(
                [utterances[number] for number in rows], frames=frames, max_tokens=max_tokens
            )
            draws = [
                jax.device_get(
                    _sample(
                        params, statistics, speech, rows, key, draw, system=system, options=options
                    )
                )
                for draw in range(samples)
            ]
            for row, number in enumerate(chosen):
                predictions[number] = _cut(draws, row, utterances[number].frames)
    return [predictions[number] for number in range(len(utterances))]


def heard(utterances: Sequence[Utterance], system: System, params: PyTree) -> Sequence[Utterance]:
    """The utterances with the features of the system's pretrained encoder, those that have none
    yet.
    """
    if system.config.model.encoder.kind != "pretrained" or all(
        u.features is not None for u in utterances
    ):
        return utterances
    from ksdiff_jax.models.speech_encoder import hearing

    features_of = hearing(system.config, params)
    if features_of is None:
        return utterances

    def completed(spoken: Utterance) -> Utterance:
        if spoken.features is not None:
            return spoken
        samples = samples_of_motion_frames(spoken.frames)
        sound = np.pad(spoken.audio[:samples], (0, max(0, samples - len(spoken.audio))))
        return spoken._replace(features=features_of(sound))

    return [completed(spoken) for spoken in utterances]


@functools.partial(jax.jit, static_argnames=("system", "options"))
def _sample(
    params: PyTree,
    statistics: Statistics,
    speech: Speech,
    rows: Int[Array, "b"],
    key: Key[Array, ""],
    draw: Int[Array, ""],
    *,
    system: System,
    options: SampleConfig,
) -> Sample:
    frames = speech.mask.shape[1]

    def noise_of(row: Int[Array, ""]) -> Float[Array, "t 59"]:
        own = stream(stream(key, "noise", row), "draw", draw)
        return jax.random.normal(own, (frames, MOTION_DIMS), jnp.float32)

    noise = jax.vmap(noise_of)(rows)
    return system.sample(
        params,
        speech,
        noise,
        stream(key, "keyframes", draw),
        statistics=statistics,
        options=options,
    )


def _cut(draws: Sequence[Sample], row: int, frames: int) -> Prediction:
    return Prediction(
        motion=np.stack([np.asarray(draw.motion[row, :frames], np.float32) for draw in draws]),
        keyframes_expression=np.asarray(draws[0].keyframes_expression[row, :frames], bool),
        keyframes_head=np.asarray(draws[0].keyframes_head[row, :frames], bool),
    )
