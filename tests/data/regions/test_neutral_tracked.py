"""Lips and lids closed in landmarks, and fitted again."""

import numpy as np
import pytest

from ksdiff_jax.data.regions.neutral_tracked import (
    columns_of,
    lids_closed,
    lips_closed,
    refitted,
)
from ksdiff_jax.errors import InputError
from ksdiff_jax.face import builtin_face
from ksdiff_jax.face.actions import ACTIONS, actions_to_expression, expression_to_actions
from ksdiff_jax.face.landmarks import (
    INNER_LIP_PAIRS,
    LID_PAIRS,
    HeadPose,
    builtin_landmarks,
    landmark_model,
    landmarks_of_shape,
    posed_landmarks,
)
from tests.data.clips import make_clip

FRAMES = 120
CHIN, BROW, LOWER_LIP = 152, 105, 14


@pytest.fixture(scope="module")
def face():
    embedding = builtin_landmarks()
    return landmark_model(builtin_face(), embedding), embedding


def posed(face, *, jaw_rad, shape=None, **actions):
    """The points of a face that holds its mouth open in every second frame."""
    weights = np.zeros((2, 50), np.float32)
    for name, weight in actions.items():
        weights[:, ACTIONS.index(name)] = weight
    jaw, still = np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32)
    jaw[1, 0] = jaw_rad
    pose = HeadPose(actions_to_expression(weights), still, jaw, still)
    return np.asarray(posed_landmarks(face[0], pose, np.zeros(100) if shape is None else shape))


def distances(points, pairs, embedding):
    upper, lower = columns_of(embedding, pairs).T
    return np.linalg.norm(points[:, upper] - points[:, lower], axis=-1)


def test_closed_lips_meet_and_the_chin_comes_along(face):
    model, embedding = face
    points = posed(face, jaw_rad=0.2)
    closed = lips_closed(points, model, embedding)
    assert distances(points, INNER_LIP_PAIRS, embedding)[1].min() > 0.01
    assert distances(closed, INNER_LIP_PAIRS, embedding).max() < 1e-6
    column = {int(point): place for place, point in enumerate(embedding.points)}
    # Whoever opens the mouth by the jaw alone closes it by the jaw alone: back to the resting face.
    for point in (CHIN, LOWER_LIP):
        opened_m = np.linalg.norm(points[1, column[point]] - points[0, column[point]])
        left_m = np.linalg.norm(closed[1, column[point]] - points[0, column[point]])
        assert opened_m > 0.015 and left_m < 0.1 * opened_m
    np.testing.assert_array_equal(closed[:, column[BROW]], points[:, column[BROW]])
    np.testing.assert_allclose(closed[0], points[0], atol=3e-4)  # was closed


def test_closed_lids_meet_and_nothing_else_moves(face):
    model, embedding = face
    points = posed(face, jaw_rad=0.1)
    closed = lids_closed(points, model, embedding)
    assert distances(points, LID_PAIRS, embedding).min() > 0.002
    assert distances(closed, LID_PAIRS, embedding).max() == 0.0
    moved = np.flatnonzero((closed != points).any(axis=(0, 2)))
    assert set(moved) == set(columns_of(embedding, LID_PAIRS)[:, 0])


def test_a_face_of_one_shape_has_that_shapes_points_whatever_other_shape_is_given(face):
    shape = np.random.default_rng(0).normal(size=100).astype(np.float32)
    own = (landmarks_of_shape(face[0], shape), face[1])
    for other in (np.zeros(100), np.ones(100)):
        np.testing.assert_allclose(
            posed(own, jaw_rad=0.2, shape=other), posed(face, jaw_rad=0.2, shape=shape), atol=1e-6
        )


def test_an_embedding_without_lips_is_refused(face):
    few = face[1]._replace(points=np.array([1, 2, 3]))
    with pytest.raises(InputError, match="none of the points"):
        columns_of(few, LID_PAIRS)


@pytest.mark.slow
def test_a_fit_to_closed_lids_blinks_and_a_fit_to_closed_lips_shuts_the_jaw(face):
    weights = np.zeros((FRAMES, 50), np.float32)
    weights[:, ACTIONS.index("BrowInnerUp")] = 0.3 * np.sin(np.arange(FRAMES) / 9)
    jaw = np.zeros((FRAMES, 3), np.float32)
    jaw[:, 0] = 0.1 + 0.1 * np.sin(np.arange(FRAMES) / 3)
    clip = make_clip(
        0,
        frames=FRAMES,
        expression=actions_to_expression(weights),
        jaw=jaw,
        rotation=np.zeros((FRAMES, 3), np.float32),
        camera=np.tile(np.array([9, 0, 0], np.float32), (FRAMES, 1)),
    )
    own = refitted(clip, *face)
    np.testing.assert_allclose(own.jaw, jaw, atol=5e-3)
    shut, blinking = (refitted(clip, *face, close=close) for close in (lips_closed, lids_closed))
    blink = [ACTIONS.index("EyeBlinkLeft"), ACTIONS.index("EyeBlinkRight")]
    assert expression_to_actions(blinking.expression)[:, blink].mean() > 0.9
    assert np.abs(expression_to_actions(own.expression)[:, blink]).max() < 0.1
    assert np.abs(shut.jaw[:, 0]).mean() < 0.1 * own.jaw[:, 0].mean()
    assert np.abs(blinking.jaw - own.jaw).max() < 5e-3
