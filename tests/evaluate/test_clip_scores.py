"""Figures of single clips are those of a split of one clip, averaged over the samples."""

import dataclasses

import numpy as np
import pytest

from ksdiff_jax.evaluate.clip_scores import clip_scores
from ksdiff_jax.evaluate.prediction import Prediction
from ksdiff_jax.evaluate.run import true_predictions
from ksdiff_jax.evaluate.scores import score
from ksdiff_jax.models.ksdiff.config import KeyframeConfig
from tests.evaluate.pretend import talking_clip

NAMES, CONFIG = ("lve_distance_mm", "closure_rate", "keyframe_head_f1"), KeyframeConfig()


def scores_of(clips, predictions, groups=("lips", "keyframes")):
    return clip_scores(clips, predictions, names=NAMES, groups=groups, keyframe_config=CONFIG)


def test_a_figure_of_a_clip_is_the_mean_over_its_samples():
    clips = [talking_clip(number, frames=60) for number in (1, 2)]
    true = true_predictions(clips, keyframe_config=CONFIG)
    still = [np.zeros_like(prediction.motion) for prediction in true]
    both = [
        prediction._replace(motion=np.concatenate([prediction.motion, flat]))
        for prediction, flat in zip(true, still, strict=True)
    ]
    found = scores_of(clips, both)
    for place, clip in enumerate(clips):
        alone = score([clip], [Prediction(still[place])], groups=("lips",), keyframe_config=CONFIG)
        assert found["lve_distance_mm"][place] == pytest.approx(alone["lve_distance_mm"] / 2)
        assert found["keyframe_head_f1"][place] == 1.0
    assert found["lve_distance_mm"][0] != found["lve_distance_mm"][1]


def test_a_figure_that_is_not_defined_is_nan():
    clip = dataclasses.replace(talking_clip(1, frames=60), phonemes=())
    (prediction,) = true_predictions([clip], keyframe_config=CONFIG)
    found = scores_of([clip], [prediction._replace(keyframes_head=None)])
    assert np.isnan(found["closure_rate"]) and np.isnan(found["keyframe_head_f1"])
    assert found["lve_distance_mm"] == [0.0]
