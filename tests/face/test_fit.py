"""The fit on landmarks of known motion, which it must recover."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ksdiff_jax.face import builtin_face, face_vertices, mouth_opening
from ksdiff_jax.face.actions import ACTIONS, actions_to_expression
from ksdiff_jax.face.fit import fit_landmarks
from ksdiff_jax.face.landmarks import HeadPose, builtin_landmarks, landmark_model

FRAMES = 120
PIXEL = 2 / 256  # of a picture of 256 pixels, in half pictures
LOST = slice(60, 66)


def _truth() -> HeadPose:
    """Five seconds of somebody talking: jaw and lips at syllable rate, a blink, a head that turns
    slowly.
    """
    t = np.arange(FRAMES) / 25
    weights = np.zeros((FRAMES, 50), np.float32)
    weights[:, ACTIONS.index("MouthPucker")] = 0.6 * np.clip(np.sin(2 * np.pi * 0.7 * t), 0, 1)
    weights[:, ACTIONS.index("MouthSmileLeft")] = weights[:, ACTIONS.index("MouthSmileRight")] = (
        0.3 * (t > 3)
    )
    weights[:, ACTIONS.index("MouthLowerDownLeft")] = 0.3 * np.clip(
        np.sin(2 * np.pi * 1.9 * t), 0, 1
    )
    weights[:, ACTIONS.index("MouthLowerDownRight")] = weights[
        :, ACTIONS.index("MouthLowerDownLeft")
    ]
    weights[:, ACTIONS.index("BrowInnerUp")] = 0.4 * np.exp(-(((t - 1.5) / 0.4) ** 2))
    for side in ("Left", "Right"):
        weights[:, ACTIONS.index(f"EyeBlink{side}")] = np.exp(-(((t - 2.2) / 0.08) ** 2))
    jaw = np.zeros((FRAMES, 3), np.float32)
    jaw[:, 0] = 0.09 * np.clip(np.sin(2 * np.pi * 2.6 * t), 0, 1)
    rotation = np.stack(
        [0.06 * np.sin(t), 0.15 * np.sin(0.8 * t + 1), 0.05 * np.cos(1.1 * t)], axis=1
    )
    camera = np.stack([9 + 0.1 * np.sin(t), 0.004 * np.sin(0.5 * t), 0.004 * np.cos(t)], axis=1)
    return HeadPose(
        actions_to_expression(weights), rotation.astype(np.float32), jaw, camera.astype(np.float32)
    )


@pytest.fixture(scope="module")
def fitted():
    """(truth, fit): landmarks with noise of one pixel, six frames of them garbage that is known to
    be lost.
    """
    face, embedding, truth = builtin_face(), builtin_landmarks(), _truth()
    rng = np.random.default_rng(0)
    shape = rng.normal(scale=0.7, size=100).astype(np.float32)
    vertices = np.asarray(
        face_vertices(
            face, truth.expression, shape=shape, global_orient=truth.rotation, jaw_pose=truth.jaw
        )
    )
    corners = vertices[:, np.asarray(face.faces)[embedding.triangles]]
    points = np.einsum("tcjk,cj->tck", corners, embedding.barycentric)
    seen = truth.camera[:, None, :1] * (points[..., :2] + truth.camera[:, None, 1:])
    seen = (seen + rng.normal(scale=PIXEL, size=seen.shape)).astype(np.float32)
    weights = np.ones(FRAMES, np.float32)
    seen[LOST], weights[LOST] = np.nan, 0
    return truth, fit_landmarks(landmark_model(face, embedding), seen, weights)


def test_rotation_is_found_within_a_degree(fitted):
    truth, fit = fitted
    apart = (
        Rotation.from_rotvec(fit.pose.rotation) * Rotation.from_rotvec(truth.rotation).inv()
    ).magnitude()
    assert np.degrees(apart).mean() < 0.5
    assert np.degrees(apart).max() < 1


def test_the_jaw_is_found_within_two_degrees(fitted):
    truth, fit = fitted
    apart = np.degrees(np.linalg.norm(fit.pose.jaw - truth.jaw, axis=1))
    assert apart.mean() < 1
    assert np.percentile(apart, 95) < 2


def test_the_expression_is_found_within_a_twentieth_of_its_range(fitted):
    truth, fit = fitted
    face = builtin_face()
    ours, true = (np.asarray(face_vertices(face, pose.expression)) for pose in (fit.pose, truth))
    reach = np.linalg.norm(np.ptp(true, axis=0), axis=-1).max()
    assert reach > 0.008  # metres: there was something to find
    assert np.linalg.norm(ours - true, axis=-1).mean() < 0.05 * reach


def test_the_mouth_opens_when_it_does(fitted):
    truth, fit = fitted
    face = builtin_face()
    ours, true = (
        mouth_opening(face, face_vertices(face, p.expression, jaw_pose=p.jaw))
        for p in (fit.pose, truth)
    )
    assert np.corrcoef(ours, true)[0, 1] > 0.97


def test_the_camera_is_found(fitted):
    truth, fit = fitted
    np.testing.assert_allclose(fit.pose.camera[:, 0], truth.camera[:, 0], rtol=0.02)
    np.testing.assert_allclose(fit.pose.camera[:, 1:], truth.camera[:, 1:], atol=2e-3)


def test_lost_frames_are_bridged_smoothly(fitted):
    truth, fit = fitted
    assert np.isfinite(fit.pose.expression).all()
    apart = (
        Rotation.from_rotvec(fit.pose.rotation[LOST])
        * Rotation.from_rotvec(truth.rotation[LOST]).inv()
    )
    assert np.degrees(apart.magnitude()).max() < 1
    assert np.abs(np.diff(fit.pose.rotation, axis=0)).max() < 0.03


def test_the_error_is_that_of_the_noise(fitted):
    """The distance of a point with independent normal errors in x and y has the median 1.18
    deviations.
    """
    _, fit = fitted
    assert np.median(np.delete(fit.error, np.r_[LOST])) == pytest.approx(1.18 * PIXEL, rel=0.1)


def test_a_face_that_is_hardly_seen_is_no_clip():
    model = landmark_model(builtin_face(), builtin_landmarks())
    weights = np.zeros(100, np.float32)
    weights[:5] = 1
    with pytest.raises(ValueError, match="5 of 100 frames"):
        fit_landmarks(model, np.zeros((100, 468, 2), np.float32), weights)
