"""The rows of a student's batches, and its loss.

    L = λ_teacher mean_{i, d} (ŷ - y)²_{i, d}  +  λ_phonemes mean_i cross-entropy_i

y are the teacher's features of the clean sound of the whole clip, minus their mean over the clip
and over their pooled deviation (data/teacher_targets.py). ŷ are the student's of the cut, from
sound that `data.augment` has changed. With ŷ = 0 the first mean is 1 on average, so 1 - mean is the
share of the variance that is explained.

The last frames of a cut whose clip goes on lack their look-ahead. They are in the input, and not in
the means.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.audio.timebase import SPEECH_FRAMES_PER_MOTION_FRAME, samples_of_motion_frames
from ksdiff_jax.audio.waveform import from_int16
from ksdiff_jax.config import Config
from ksdiff_jax.data.augment import augment
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.transforms import random_start
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.clip_mean import clip_mean
from ksdiff_jax.models.student.network import Answers
from ksdiff_jax.models.student.phoneme_classes import UNKNOWN, phoneme_classes
from ksdiff_jax.models.system import Terms
from ksdiff_jax.speech.utterance import zero_padded
from ksdiff_jax.typing import Array, Bool, Float, Int


class TeacherBatch(NamedTuple):
    """A batch of a student, f = 2 t frames of 20 ms; a row has the same fields without the first
    axis.
    """

    audio: Float[Array, "b s"]  # 16 kHz, zeros where invalid
    mask: Bool[Array, "b f"]  # valid frames
    scored: Bool[Array, "b f"]  # those in the means of the loss
    target: Float[Array, "b f d"]  # y
    phonemes: Int[Array, "b f"] | None = None  # classes; None without their loss


def teacher_row(
    clip: Clip,
    frames: int,
    *,
    config: Config,
    rng: np.random.Generator | None,
    targets: Float[np.ndarray, "f d"] | None,
) -> TeacherBatch:
    """Return a row of `frames` motion frames: a random cut with changed sound with `rng`, else the
    clip from its start, unchanged. `targets` are those of the whole clip.
    """
    if targets is None:
        raise InputError(
            f"clip {clip.clip_id!r}: no features of a teacher; train a student with `ksdiff-jax "
            "train student`, which computes them"
        )
    start = 0 if rng is None else random_start(rng, clip_frames=clip.frames, frames=frames)
    first, rows = (SPEECH_FRAMES_PER_MOTION_FRAME * count for count in (start, frames))
    stop = first + rows
    samples = [samples_of_motion_frames(at) for at in (start, min(start + frames, clip.frames))]
    sound = from_int16(clip.audio[samples[0] : samples[1]])
    sound = zero_padded(sound, samples[1] - samples[0])
    if rng is not None and config.data.augment is not None:
        sound = augment(sound, rng, config=config.data.augment)
    at, length = np.arange(first, stop), SPEECH_FRAMES_PER_MOTION_FRAME * clip.frames
    mask = at < length
    goes_on = stop < length
    ahead = config.model.encoder.architecture.ahead_frames + 1  # the log-mel window too
    classes = None
    if config.loss.phonemes:
        classes = zero_padded(phoneme_classes(clip)[first:stop], rows)
    return TeacherBatch(
        audio=zero_padded(sound, samples_of_motion_frames(frames)),
        mask=mask,
        scored=mask & (at < stop - ahead) if goes_on else mask,
        target=zero_padded(np.asarray(targets[first:stop], np.float32), rows),
        phonemes=classes,
    )


def teacher_terms(answers: Answers, batch: TeacherBatch, *, config: Config) -> Terms:
    """Return the weighted terms of each clip."""
    loss = config.loss
    error = jnp.square(answers.teacher - batch.target.astype(jnp.float32)).mean(axis=-1)
    terms = {"teacher": loss.teacher * clip_mean(error, batch.scored)}
    if answers.phonemes is not None:
        known = batch.scored & (batch.phonemes != UNKNOWN)
        chosen = jnp.maximum(batch.phonemes, 0)[..., None]
        surprise = -jnp.take_along_axis(jax.nn.log_softmax(answers.phonemes), chosen, axis=-1)
        terms["phonemes"] = loss.phonemes * clip_mean(surprise[..., 0], known)
    return terms
