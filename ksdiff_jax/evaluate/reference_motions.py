"""Motions without a generative model, which stand beside every system in a comparison.

| name | motion | fitted to |
|---|---|---|
| truth | the true motion, scored as a prediction is | |
| another clip | the truth of the next clip that is as long or longer (`controls`) | |
| best constant pose | one pose in every frame | the training split |
| speech level | a line per coefficient on the smoothed level of the speech | the training split |
| log-mel ridge | a ridge per coefficient on 11 frames of log-mel | the training split |
| nearest neighbour | motion of the most similar sound (`nearest_motion`) | the training split |

Speech features and motion have the same frames: those of motion frame t are the mean over its two
speech frames, with the neighbours on both sides (`speech_rows`). The constant pose is the one of
rest, mean and median of the training motion that has the least LVE on the training clips. The
penalty of a ridge is the one of `PENALTIES` with the least error on every fifth training clip,
fitted to the others; the ridge is then fitted to all. Nothing is chosen on the clips that are
scored.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.timebase import SPEECH_FRAMES_PER_MOTION_FRAME
from ksdiff_jax.audio.waveform import from_int16
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.articulation import articulate, face_part
from ksdiff_jax.evaluate.controls import of_another_clip
from ksdiff_jax.evaluate.lips import squared_lip_error
from ksdiff_jax.evaluate.nearest_motion import nearest_motion
from ksdiff_jax.evaluate.ridge import Moments, Ridge, fit_ridge, moments
from ksdiff_jax.evaluate.speech_rows import level, mel_rows
from ksdiff_jax.face import FaceModel
from ksdiff_jax.speech.utterance import Utterance, whole_frames
from ksdiff_jax.typing import Float

TRUTH, OTHER, CONSTANT = "truth", "another clip", "best constant pose"
LEVEL, RIDGE, NEAREST = "speech level", "log-mel ridge", "nearest neighbour"
FITTED = (CONSTANT, LEVEL, RIDGE, NEAREST)  # these need a training split
PENALTIES = (10.0, 100.0, 1e3, 1e4)
HELD_OUT_EVERY = 5  # training clips, for the choice of the penalty

Motions = list[Float[np.ndarray, "_ m"]]
Rows = Sequence[Float[np.ndarray, "_ d"]]


class _Training(NamedTuple):
    motions: Motions
    levels: Rows
    mels: Rows


def unfitted_motions(clips: Sequence[Clip]) -> dict[str, Motions]:
    """Return the truth and, of two clips or more, another clip's motion."""
    truth = true_motions(clips)
    found = {TRUTH: truth}
    if len(clips) > 1:
        found[OTHER] = [of_another_clip(truth, number) for number in range(len(truth))]
    return found


def fitted_motions(
    clips: Sequence[Clip],
    training: Sequence[Clip],
    *,
    face: FaceModel | None,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> dict[str, Motions]:
    """Return the motions of `FITTED` for every clip, fitted to training clips.

    Without a face the constant pose is the mean. `progress(stage, done, total)` counts clips. Raise
    `InputError` if there are no training clips.
    """
    if not training:
        raise InputError("baselines: got no training clips, need one or more")
    known = _Training(true_motions(training), *_rows(training, progress))
    levels, mels = _rows(clips, progress)
    by_level, by_mel = (fit_motion(rows, known.motions) for rows in (known.levels, known.mels))
    pose = constant_pose(known.motions, face)
    return {
        CONSTANT: [np.tile(pose, (len(rows), 1)) for rows in mels],
        LEVEL: [by_level.predict(rows).astype(np.float32) for rows in levels],
        RIDGE: [by_mel.predict(rows).astype(np.float32) for rows in mels],
        NEAREST: nearest_motion(mels, known.mels, known.motions),
    }


def true_motions(clips: Sequence[Clip]) -> Motions:
    """Return the true motion of every clip."""
    return [motion_of_clip(clip).astype(np.float32) for clip in clips]


def constant_pose(motions: Motions, face: FaceModel | None) -> Float[np.ndarray, "m"]:
    """Return the one of mean, rest and median whose lips have the least LVE over all frames."""
    frames = np.concatenate(motions)
    mean = frames.mean(axis=0)
    if face is None:
        return mean
    part = face_part(face)
    true = articulate(part, frames).lips
    candidates = (mean, np.zeros_like(mean), np.median(frames, axis=0))
    lips = articulate(part, np.stack(candidates)).lips
    errors = [float(np.mean(squared_lip_error(true, shape))) for shape in lips]
    return candidates[int(np.argmin(errors))]


def fit_motion(rows: Rows, motions: Motions) -> Ridge:
    """Return a ridge from rows to all coefficients, its penalty chosen on every fifth clip."""
    apart = [number % HELD_OUT_EVERY == HELD_OUT_EVERY - 1 for number in range(len(rows))]
    if not any(apart):
        return fit_ridge(_sums(rows, motions), penalty=PENALTIES[1])
    held, kept = (
        [
            [each for each, out in zip(series, apart, strict=True) if out is wanted]
            for series in pair
        ]
        for pair, wanted in (((rows, motions), True), ((rows, motions), False))
    )
    of_held, of_kept = _sums(*held), _sums(*kept)
    scale = np.maximum(np.concatenate(motions).std(axis=0), 1e-6)
    errors = []
    for penalty in PENALTIES:
        ridge = fit_ridge(of_kept, penalty=penalty)
        misses = [(ridge.predict(x) - y) / scale for x, y in zip(*held, strict=True)]
        errors.append(float(np.mean(np.concatenate(misses) ** 2)))
    return fit_ridge(of_held.plus(of_kept), penalty=PENALTIES[int(np.argmin(errors))])


def _sums(rows: Rows, motions: Motions) -> Moments:
    return moments(np.concatenate(rows), np.concatenate(motions))


def _rows(
    clips: Sequence[Clip], progress: Callable[[str, int, int], None]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return level (t, 1) and log-mel (t, d) of every clip."""
    levels, mels = [], []
    for number, clip in enumerate(clips, start=1):
        utterance = _sound_alone(clip)
        levels.append(level(utterance)[:, None])
        mels.append(mel_rows(utterance))
        progress("sounds read for the baselines", number, len(clips))
    return levels, mels


def _sound_alone(clip: Clip) -> Utterance:
    """Return the sound of a clip as an utterance that nothing else was computed of."""
    frames = SPEECH_FRAMES_PER_MOTION_FRAME * clip.frames
    return Utterance(
        audio=whole_frames(from_int16(clip.audio), clip.frames),
        prosody=np.zeros((frames, 2), np.float32),
        tokens=np.zeros(0, np.int32),
        token_mask=np.zeros(0, bool),
        digest="",
    )
