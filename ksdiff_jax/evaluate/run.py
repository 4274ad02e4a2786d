"""Samples the motion of a system for clips of a data set, and scores it.

    engine = Engine(system, params)
    figures = evaluate_clips(engine, read_clips("shards", split="test"))

`evaluate_clips` is `predict_clips` followed by `scores.score`. The motion is sampled by the
animator's engine with the same seed (`animate.engine`). The other predictions are controls: the
ground truth, whose scores must be perfect, the ground truth of other clips, and a face that does
not move.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np

from ksdiff_jax.animate.engine import Engine
from ksdiff_jax.config import Config
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.shards import ShardReader
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.prediction import Prediction, prediction_of
from ksdiff_jax.evaluate.scores import VALIDATION_GROUPS, score, true_keyframes
from ksdiff_jax.face import FaceModel
from ksdiff_jax.models.ksdiff.config import KeyframeConfig
from ksdiff_jax.typing import Float


def read_clips(
    folder: str | Path, *, split: str, clips: int | None = None, space: str = ""
) -> list[Clip]:
    """Return the first `clips` clips of a split, or all of it; `space` is their motion space if the
    data set does not name it.
    """
    reader = ShardReader(folder, split, space=space)
    return [reader[i] for i in range(len(reader) if clips is None else min(clips, len(reader)))]


def evaluate_clips(
    engine: Engine,
    clips: Sequence[Clip],
    *,
    samples: int = 1,
    seed: int = 0,
    groups: Collection[str] = VALIDATION_GROUPS,
    face: FaceModel | None = None,
) -> dict[str, float]:
    """Return the metrics of a system on clips, from `samples` samples of each."""
    predictions = predict_clips(engine, clips, seed=seed, samples=samples)
    settings = keyframe_settings(engine.system.config)
    return score(clips, predictions, face=face, groups=groups, keyframe_config=settings)


def keyframe_settings(config: Config) -> KeyframeConfig:
    """Return the settings that define keyframes of the ground truth: those of the configuration of
    a system with keyframes, otherwise the defaults.
    """
    return getattr(config, "keyframe_settings", KeyframeConfig())


def predict_clips(
    engine: Engine,
    clips: Sequence[Clip],
    *,
    seed: int = 0,
    samples: int = 1,
    progress: Callable[[int, int], None] | None = None,
    read: Callable[[int, int], None] | None = None,
) -> list[Prediction]:
    """Return `samples` motions for the speech of every clip; sample number n is the animator's
    number n. `progress(done, total)` counts motion frames, `read(done, total)` clips whose speech
    was encoded.
    """
    utterances = []
    for number, clip in enumerate(clips, start=1):
        utterances.append(engine.read_clip(clip))
        if read:
            read(number, len(clips))
    found = engine.sample(
        [utterance for utterance in utterances for _ in range(samples)],
        seed=seed,
        numbers=[*range(samples)] * len(utterances),
        progress=progress,
    )
    return [prediction_of(found[i : i + samples]) for i in range(0, len(found), samples)]


def true_predictions(clips: Sequence[Clip], *, keyframe_config: KeyframeConfig) -> list[Prediction]:
    """Return the ground truth and its keyframes as predictions."""
    targets = true_keyframes(clips, keyframe_config)
    return [
        Prediction(motion_of_clip(clip)[None], *tracks)
        for clip, tracks in zip(clips, targets, strict=True)
    ]


def swapped_predictions(
    clips: Sequence[Clip], *, keyframe_config: KeyframeConfig
) -> list[Prediction]:
    """Return for each clip the true motion of the next one, repeated or cut to its length.

    Raise `InputError` for less than two clips.
    """
    if len(clips) < 2:
        raise InputError(f"{len(clips)} clip: another clip's motion needs 2 or more")
    true = true_predictions(clips, keyframe_config=keyframe_config)
    others = [*true[1:], *true[:1]]
    return [
        Prediction(
            np.resize(other.motion, (1, clip.frames, other.motion.shape[-1])),
            np.resize(other.keyframes_expression, clip.frames),
            np.resize(other.keyframes_head, clip.frames),
        )
        for clip, other in zip(clips, others, strict=True)
    ]


def still_predictions(clips: Sequence[Clip], *, pose: Float[np.ndarray, "m"]) -> list[Prediction]:
    """Return one pose in every frame, without keyframes."""
    still = np.asarray(pose, np.float32)
    return [
        Prediction(
            np.tile(still, (1, clip.frames, 1)),
            np.zeros(clip.frames, bool),
            np.zeros(clip.frames, bool),
        )
        for clip in clips
    ]
