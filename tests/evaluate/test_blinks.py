"""What counts as a blink, and how often and how long people blink."""

import dataclasses

import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.blinks import blink_figures, blink_runs, clip_blinks, lid_gaps
from ksdiff_jax.evaluate.face_points import (
    builtin_points,
    landmark_points,
    moving_points,
    points_of,
)
from ksdiff_jax.face import builtin_face
from ksdiff_jax.face.actions import ACTIONS, actions_to_expression
from ksdiff_jax.face.landmarks import builtin_landmarks
from ksdiff_jax.motion.space import EXPRESSION, MOTION_DIMS, ROTATION

OPEN = 0.01  # metres


def gaps_with(*shut: range, frames: int = 60, right: float = 0.0, left: float = 0.0):
    """Both eyes open but in the frames `shut`, where they have these shares of their gap."""
    gaps = np.full((frames, 2), OPEN)
    for run in shut:
        gaps[list(run)] = [right * OPEN, left * OPEN]
    return gaps


def by_a_loop(gaps):
    """Runs of two frames or more below a tenth of both medians, frame by frame."""
    right, left = (sorted(eye)[len(gaps) // 2] for eye in gaps.T)
    runs, start = [], None
    for frame, (a, b) in enumerate([*gaps.tolist(), [right, left]]):
        if a < 0.1 * right and b < 0.1 * left:
            start = frame if start is None else start
        elif start is not None:
            runs += [[start, frame]] if frame - start >= 2 else []
            start = None
    return runs


def test_a_blink_is_two_frames_or_more_below_a_tenth_of_the_median():
    assert blink_runs(gaps_with(range(20, 22))).tolist() == [[20, 22]]
    assert blink_runs(gaps_with(range(20, 21))).tolist() == []
    below, above = ({"right": share, "left": share} for share in (0.099, 0.101))
    assert blink_runs(gaps_with(range(20, 25), **below)).tolist() == [[20, 25]]
    assert blink_runs(gaps_with(range(20, 25), **above)).tolist() == []
    past = {"right": -0.5, "left": -0.5}  # a lid that falls past the other is shut too
    assert blink_runs(gaps_with(range(3), range(58, 60), **past)).tolist() == [[0, 3], [58, 60]]


def test_one_eye_alone_does_not_blink():
    assert blink_runs(gaps_with(range(20, 25), left=1.0)).tolist() == []
    assert blink_runs(gaps_with(range(20, 25), right=1.0)).tolist() == []


@pytest.mark.parametrize("seed", range(5))
def test_runs_are_those_of_a_loop_over_the_frames(seed):
    rng = np.random.default_rng(seed)
    gaps = rng.uniform(0.5, 1.5, size=(201, 2))
    gaps[rng.random(201) < 0.4] *= 0.05
    gaps[rng.random((201, 2)) < 0.05] *= 0.05
    assert len(by_a_loop(gaps)) > 5
    assert blink_runs(gaps).tolist() == by_a_loop(gaps)


def test_eyes_that_are_always_shut_never_blink():
    assert blink_runs(np.zeros((50, 2))).tolist() == []


def test_rate_and_durations_are_of_all_clips_together():
    fps = 25.0
    clips = [
        clip_blinks(gaps_with(range(10, 12), range(30, 41), frames=100), fps=fps),  # 80, 440 ms
        clip_blinks(gaps_with(range(30, 40), frames=150), fps=fps),  # 400 ms
        clip_blinks(gaps_with(frames=50), fps=fps),
    ]
    figures = blink_figures(clips, suffix="_truth")
    assert figures["blinks_truth"] == 3
    assert figures["blink_rate_truth_hz"] == pytest.approx(3 / (4 + 6 + 2))
    assert figures["blink_usual_share_truth"] == pytest.approx(2 / 3)
    assert figures["blink_duration_truth_ms"] == pytest.approx((80 + 440 + 400) / 3)
    assert "blink_rate_truth_hz_low" not in figures  # of three clips
    more = blink_figures(2 * clips)
    assert 0 <= more["blink_rate_hz_low"] < 0.25 < more["blink_rate_hz_high"]
    none = blink_figures([clips[2]])
    assert none["blinks"] == none["blink_rate_hz"] == 0.0
    assert np.isnan(none["blink_usual_share"]) and "blink_rate_hz_low" not in none


def blinking(share: float, *, sides=("Left", "Right")) -> np.ndarray:
    """One frame with the lids so far shut, and a turned head."""
    weights = np.zeros((1, 50))
    for side in sides:
        weights[:, ACTIONS.index(f"EyeBlink{side}")] = share
    motion = np.zeros((1, MOTION_DIMS), np.float32)
    motion[:, EXPRESSION] = actions_to_expression(weights)
    motion[:, ROTATION] = [0.3, -0.5, 0.2]
    return motion


def test_the_gap_of_the_built_in_head_closes_evenly_and_is_zero_in_a_full_blink():
    points = builtin_points()

    def gap(*args, **options):
        return lid_gaps(moving_points(points, blinking(*args, **options)), points.lids)[0]

    np.testing.assert_allclose(gap(0.0), 0.0106, atol=2e-4)  # as its mesh has it
    for share in (0.5, 0.9, 1.0, 1.3):  # past closed the gap is negative
        np.testing.assert_allclose(gap(share), (1 - share) * gap(0.0), atol=2e-6)
    np.testing.assert_allclose(gap(1.0, sides=("Left",)), [gap(0.0)[0], 0.0], atol=2e-6)


def test_landmarks_serve_where_the_mesh_is_not_known():
    face = builtin_face()
    points = landmark_points(face, builtin_landmarks())
    assert points.mouth.shape == (40,) and points.lids.shape == (2, 3, 2)
    opened, shut = (
        lid_gaps(moving_points(points, blinking(share)), points.lids)[0] for share in (0.0, 1.0)
    )
    assert (opened > 0.009).all() and (shut < 0.25 * opened).all()
    other = dataclasses.replace(face, space="flame", name="a FLAME")
    assert points_of(other, points) is points
    with pytest.raises(InputError, match="landmarks of the face a FLAME are unknown; give points="):
        points_of(other, None)
    with pytest.raises(InputError, match=r"without the points 61, .* of MediaPipe's"):
        landmark_points(face, builtin_landmarks()._replace(points=np.full(468, 7, np.int32)))
