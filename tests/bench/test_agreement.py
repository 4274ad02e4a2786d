"""The errors that `bench device` prints, on known differences."""

import numpy as np
import pytest

from ksdiff_jax.bench.agreement import gradient_errors, sample_errors
from ksdiff_jax.models.system import Sample
from ksdiff_jax.motion.space import MOTION_DIMS

GRADIENTS = {
    "a": {"kernel": np.array([[3.0, 0.0], [0.0, 4.0]])},
    "b": np.array([12.0]),
    "noise": np.array([1e-9]),
}
TARGETS = (np.array([[True, False]]), np.array([[False, False]]))


def test_equal_gradients_have_no_error_and_rounding_alone_is_left_out():
    errors = gradient_errors((2.0, GRADIENTS, TARGETS), (2.0, GRADIENTS, TARGETS))
    assert (
        errors["loss_relative_error"]
        == errors["gradient_relative_error"]
        == errors["largest_leaf_error"]
        == 0
    )
    assert errors["leaves"] == 2 and errors["leaves_left_out"] == 1
    assert errors["differing_target_keyframes"] == 0 and errors["target_keyframes"] == 1


def test_gradients_are_compared_leaf_by_leaf_by_their_norms():
    ours = {
        "a": {"kernel": np.array([[3.0, 0.3], [0.4, 4.0]])},
        "b": np.array([12.0]),
        "noise": np.array([1.0]),
    }
    flipped = (np.array([[True, True]]), TARGETS[1])
    errors = gradient_errors((2.2, ours, flipped), (2.0, GRADIENTS, TARGETS))
    assert errors["loss_relative_error"] == pytest.approx(0.1)
    assert errors["largest_leaf"] == "a/kernel" and errors["largest_leaf_error"] == pytest.approx(
        0.5 / 5
    )
    # all leaves, the noise too
    assert errors["gradient_relative_error"] == pytest.approx(np.hypot(0.5, 1.0) / 13)
    assert errors["differing_target_keyframes"] == 1


def test_a_gradient_that_is_no_number_is_the_largest_error():
    ours = GRADIENTS | {"b": np.array([np.nan])}
    errors = gradient_errors((2.0, ours, TARGETS), (2.0, GRADIENTS, TARGETS))
    assert errors["largest_leaf"] == "b" and np.isnan(errors["largest_leaf_error"])


def a_sample(*, motion=None, **changes) -> Sample:
    bits, scores = np.zeros((2, 3), bool), np.full((2, 3), 0.25, np.float32)
    bits[0, 1] = True
    tracks = {"keyframes_expression": bits, "keyframes_head": bits}
    tracks |= {"keyframe_score_expression": scores, "keyframe_score_head": scores}
    still = np.ones((2, 3, MOTION_DIMS), np.float32)
    return Sample(still if motion is None else motion, tracks | changes)


def test_clips_whose_keyframes_differ_are_compared_apart():
    motion, bits, scores = (
        np.ones((2, 3, MOTION_DIMS), np.float32),
        a_sample().tracks["keyframes_head"].copy(),
        np.full((2, 3), 0.25),
    )
    motion[0] += 1.0
    motion[1, 2, 5] = 1.125
    bits[0, 2], scores[0, 2] = True, 0.75
    ours = a_sample(motion=motion, keyframes_head=bits, keyframe_score_head=scores)
    errors = sample_errors(ours, a_sample())
    assert (
        errors["differing_keyframes"] == 1
        and errors["keyframes"] == 2
        and errors["keyframe_frames"] == 12
    )
    assert errors["largest_score_difference"] == 0.5 and errors["motion_largest_difference"] == 1.0
    assert errors["clips_of_same_keyframes"] == 1
    assert errors["motion_of_same_keyframes_largest_difference"] == 0.125
    assert errors["motion_of_same_keyframes_relative_error"] == pytest.approx(
        0.125 / np.sqrt(3 * MOTION_DIMS)
    )


def test_where_all_clips_differ_none_is_compared_apart():
    ours = a_sample(keyframes_expression=~a_sample().tracks["keyframes_expression"])
    errors = sample_errors(ours, a_sample())
    assert (
        errors["clips_of_same_keyframes"] == 0
        and "motion_of_same_keyframes_relative_error" not in errors
    )
