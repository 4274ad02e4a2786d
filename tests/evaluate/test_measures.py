"""Measures whose direction matters: which beats are counted, and which motion is subtracted from
which.
"""

import dataclasses

import numpy as np
import pytest

from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.evaluate import beats
from ksdiff_jax.evaluate.prediction import Prediction
from ksdiff_jax.evaluate.scores import score
from ksdiff_jax.face import builtin_face
from tests.evaluate.pretend import talking_clip


def test_beat_align_is_the_mean_over_the_beats_that_are_heard():
    heard, seen = np.array([10.0, 40.0]), np.array([10.0, 13.0, 70.0, 100.0])
    expected = (1 + np.exp(-(27.0**2) / 18)) / 2  # 10 is met at once, 40 is 27 frames from 13
    assert beats.beat_align(heard, seen) == pytest.approx(expected)
    # beats of the head that no sound calls for cost nothing
    more = np.append(seen, [200.0, 300.0, 400.0])
    assert beats.beat_align(heard, more) == pytest.approx(expected)
    assert beats.beat_align(np.append(heard, 1000.0), seen) == pytest.approx(expected * 2 / 3)


def test_the_deviation_of_dynamics_is_what_the_truth_moves_more_than_the_prediction():
    clip, draw, still = talking_clip(0, frames=8), np.random.default_rng(0), np.zeros(8, bool)
    coefficients = draw.normal(size=clip.expression.shape[1])
    every_other = np.arange(8)[:, None] % 2 * coefficients
    clip = dataclasses.replace(
        clip, expression=every_other.astype(np.float32), jaw=np.zeros_like(clip.jaw)
    )
    face = builtin_face()
    # A vertex lies 0, |d|, 0, |d|, ... from the template: its squared distance has std |d|² / 2.
    moved = np.tensordot(
        coefficients, np.asarray(face.expression_directions)[:, face.regions["upper_face"]], axes=1
    )
    expected = np.mean(np.sum(moved**2, axis=-1)) / 2
    motionless = Prediction(np.zeros_like(motion_of_clip(clip))[None], still, still)
    assert score([clip], [motionless], groups=("upper_face",))["fdd_m2"] == pytest.approx(
        expected, rel=1e-4
    )
