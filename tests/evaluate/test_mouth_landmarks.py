"""The landmark distance of the mouth, and its place among the scores."""

import dataclasses

import numpy as np
import pytest

from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.evaluate.face_points import MOUTH_POINTS, builtin_points, moving_points
from ksdiff_jax.evaluate.mouth_landmarks import landmark_distance, landmark_figures
from ksdiff_jax.evaluate.run import still_predictions, true_predictions
from ksdiff_jax.evaluate.scores import score
from ksdiff_jax.face import builtin_face, face_vertices
from ksdiff_jax.face.actions import ACTIONS, actions_to_expression
from ksdiff_jax.face.landmarks import builtin_landmarks
from ksdiff_jax.models.ksdiff.config import KeyframeConfig
from ksdiff_jax.motion.space import MOTION_DIMS
from tests.evaluate.pretend import talking_clip


def test_the_distance_is_the_mean_over_points_and_frames_in_millimetres():
    truth, predicted = np.zeros((2, 2, 3)), np.zeros((2, 2, 3))
    predicted[0, 0] = [0.003, 0.0, 0.004]  # 5 mm
    predicted[1, 1] = [0.0, 0.0, -0.001]  # 1 mm, in depth alone
    assert landmark_distance(predicted, truth) == pytest.approx((5 + 1) / 4)
    assert landmark_distance(predicted[0], truth) == pytest.approx((5 + 5) / 4)  # held


def test_clips_count_alike_and_the_baselines_are_the_resting_and_the_mean_mouth():
    rng = np.random.default_rng(0)
    truth = [rng.normal(size=(frames, 4, 3)) for frames in (3, 9)]
    predicted = [rng.normal(size=mouth.shape) for mouth in truth]
    rest, mean = rng.normal(size=(4, 3)), np.concatenate(truth).mean(axis=0)

    def by_loops(guess):
        of_clips = []
        for number, mouth in enumerate(truth):
            found = [
                sum((guess(number, t)[k, axis] - mouth[t, k, axis]) ** 2 for axis in range(3))
                ** 0.5
                for t in range(len(mouth))
                for k in range(4)
            ]
            of_clips.append(1000 * sum(found) / len(found))
        return sum(of_clips) / len(of_clips)

    figures = landmark_figures(predicted, truth, resting=rest)
    assert figures["lmd_mm"] == pytest.approx(by_loops(lambda number, t: predicted[number][t]))
    assert figures["lmd_rest_mm"] == pytest.approx(by_loops(lambda number, t: rest))
    assert figures["lmd_mean_mm"] == pytest.approx(by_loops(lambda number, t: mean))
    assert "lmd_mm_low" not in figures  # of two clips
    more = landmark_figures(3 * predicted, 3 * truth, resting=rest)
    assert more["lmd_mm_low"] < more["lmd_mm"] < more["lmd_mm_high"]


def test_the_points_are_those_of_the_whole_face_with_its_head_at_rest():
    rng = np.random.default_rng(1)
    motion = rng.normal(scale=0.3, size=(300, MOTION_DIMS)).astype(np.float32)
    points = builtin_points()
    moved = moving_points(points, motion)
    face, landmarks = builtin_face(), builtin_landmarks()
    frames = [0, 299]  # in the first block and in the last
    vertices = np.asarray(
        face_vertices(face, motion[frames, :50], jaw_pose=0.0 + motion[frames, 53:56])
    )
    column = {int(point): place for place, point in enumerate(landmarks.points)}
    for place, point in enumerate(MOUTH_POINTS):
        row = column[point]
        corners = vertices[:, np.asarray(face.faces)[landmarks.triangles[row]]]
        whole = np.einsum("tjk,j->tk", corners, landmarks.barycentric[row])
        np.testing.assert_allclose(moved[frames, points.mouth[place]], whole, atol=1e-4)


@pytest.fixture(scope="module")
def clips():
    """Two clips that talk, with a full blink of three frames in each second."""
    weights = np.zeros((60, 50))
    for side in ("Left", "Right"):
        for start in (5, 30):
            weights[start : start + 3, ACTIONS.index(f"EyeBlink{side}")] = 1.0
    expression = actions_to_expression(weights).astype(np.float32)
    return [dataclasses.replace(talking_clip(n), expression=expression) for n in range(2)]


def test_the_truth_has_no_distance_and_its_own_blinks(clips):
    predictions = true_predictions(clips, keyframe_config=KeyframeConfig())
    figures = score(clips, predictions, groups=("landmarks", "blinks"))
    assert figures["lmd_mm"] == 0.0
    assert figures["lmd_mean_mm"] > 0.5 and figures["lmd_rest_mm"] > 0.5
    for suffix in ("", "_truth"):
        assert figures[f"blinks{suffix}"] == 4
        assert figures[f"blink_rate{suffix}_hz"] == pytest.approx(4 / (2 * 2.4))
        assert figures[f"blink_duration{suffix}_ms"] == pytest.approx(120)


def test_a_still_face_never_blinks_and_has_the_distance_of_its_pose(clips):
    pose = np.concatenate([motion_of_clip(clip) for clip in clips]).mean(axis=0)
    figures = score(clips, still_predictions(clips, pose=pose), groups=("landmarks", "blinks"))
    assert figures["blinks"] == 0 and figures["blinks_truth"] == 4
    assert figures["lmd_mm"] == pytest.approx(figures["lmd_mean_mm"], rel=0.02)
    resting = still_predictions(clips, pose=np.zeros(MOTION_DIMS))
    figures = score(clips, resting, groups=("landmarks",))
    assert figures["lmd_mm"] == pytest.approx(figures["lmd_rest_mm"])
    assert "blinks" not in figures
