"""A system on a split of a data set: read its clips, let the system speak them, score what it says.

`evaluate_system` is the whole, for the command line and for the validation pass of a training run.
Its parts serve controls: `true_predictions` is what a perfect system would say, and `scores.score`
must find it perfect.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.shards import ShardReader
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.data.transforms import FeaturesOf
from ksdiff_jax.evaluate.sampling import Prediction, predict, utterance
from ksdiff_jax.evaluate.scores import VALIDATION_GROUPS, score, sound_of, true_keyframes
from ksdiff_jax.face import FaceModel
from ksdiff_jax.models.ksdiff.config import KeyframeConfig, SampleConfig
from ksdiff_jax.models.system import Statistics, System
from ksdiff_jax.typing import Float, PyTree


def evaluate_system(
    system: System,
    params: PyTree,
    statistics: Statistics,
    folder: str | Path,
    *,
    split: str = "test",
    clips: int | None = None,
    options: SampleConfig | None = None,
    face: FaceModel | None = None,
    samples: int = 1,
    seed: int = 0,
    groups: Collection[str] = VALIDATION_GROUPS,
    features_of: FeaturesOf | None = None,
) -> dict[str, float]:
    """Figures of a system on (the first `clips` clips of) a split of a data set.

    `features_of` gives the kept features of a clip's sound, so that a pretrained encoder need not
    hear it again.
    """
    chosen = read_clips(folder, split=split, clips=clips)
    options = options or system.config.sample
    predictions = predict_clips(
        system,
        params,
        statistics,
        chosen,
        options=options,
        seed=seed,
        samples=samples,
        features_of=features_of,
    )
    return score(
        chosen, predictions, face=face, groups=groups, keyframe_config=system.config.model.keyframes
    )


def read_clips(folder: str | Path, *, split: str, clips: int | None = None) -> list[Clip]:
    """The first `clips` clips of a split, or all of it."""
    reader = ShardReader(folder, split)
    return [reader[i] for i in range(len(reader) if clips is None else min(clips, len(reader)))]


def predict_clips(
    system: System,
    params: PyTree,
    statistics: Statistics,
    clips: Sequence[Clip],
    *,
    options: SampleConfig,
    seed: int = 0,
    samples: int = 1,
    features_of: FeaturesOf | None = None,
) -> list[Prediction]:
    """The system's motion for the speech of every clip."""
    spoken = [
        utterance(
            sound_of(clip),
            transcript=clip.transcript,
            frames=clip.frames,
            prosody=clip.prosody,
            features=None if features_of is None else features_of(clip),
        )
        for clip in clips
    ]
    return predict(system, params, statistics, spoken, options=options, seed=seed, samples=samples)


def true_predictions(clips: Sequence[Clip], *, keyframe_config: KeyframeConfig) -> list[Prediction]:
    """What a perfect system would say: the truth itself, and its keyframes."""
    targets = true_keyframes(clips, keyframe_config)
    return [
        Prediction(motion_of_clip(clip)[None], *tracks)
        for clip, tracks in zip(clips, targets, strict=True)
    ]


def swapped_predictions(
    clips: Sequence[Clip], *, keyframe_config: KeyframeConfig
) -> list[Prediction]:
    """The true motion of the next clip for each clip, repeated or cut to its length: natural, to
    other words.
    """
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


def still_predictions(clips: Sequence[Clip], *, pose: Float[np.ndarray, "59"]) -> list[Prediction]:
    """What a face says that never moves from one pose, without keyframes."""
    still = np.asarray(pose, np.float32)
    return [
        Prediction(
            np.tile(still, (1, clip.frames, 1)),
            np.zeros(clip.frames, bool),
            np.zeros(clip.frames, bool),
        )
        for clip in clips
    ]
