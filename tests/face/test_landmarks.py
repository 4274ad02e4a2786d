import jax
import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.face import builtin_face, face_vertices, landmarks
from ksdiff_jax.face.landmarks import (
    LIP_RIMS,
    TRACKED_POINTS,
    HeadPose,
    builtin_landmarks,
    landmark_model,
    projected,
    read_landmarks,
)
from tests.run_once import jit_to_run_once

# Compiled whole: one by one, their operations take many times longer to compile.
posed_landmarks = jit_to_run_once(landmarks.posed_landmarks)
expression_jacobian = jit_to_run_once(landmarks.expression_jacobian)
shape_jacobian = jit_to_run_once(landmarks.shape_jacobian)


@jit_to_run_once
def seen_jacobians(model, pose, shape):
    """Derivatives of the projected points with respect to expression and shape."""

    def seen(expression, shape):
        points = landmarks.posed_landmarks(model, pose._replace(expression=expression), shape)
        return projected(points, pose.camera)

    return jax.jacfwd(seen, argnums=(0, 1))(pose.expression, shape)


@pytest.fixture(scope="module")
def face():
    return builtin_face()


@pytest.fixture(scope="module")
def model(face):
    return landmark_model(face, builtin_landmarks())


@pytest.fixture(scope="module")
def pose():
    rng = np.random.default_rng(0)
    return HeadPose(
        expression=rng.normal(scale=0.3, size=(3, 50)).astype(np.float32),
        rotation=rng.normal(scale=0.3, size=(3, 3)).astype(np.float32),
        jaw=np.array([[0.2, 0.01, 0.0], [0.0, 0.0, 0.0], [0.1, 0.0, 0.02]], np.float32),
        camera=np.array([[9.0, 0.01, -0.02]] * 3, np.float32),
    )


def test_all_points_of_the_tracker_lie_on_the_built_in_head():
    embedding = builtin_landmarks()
    np.testing.assert_array_equal(embedding.points, np.arange(TRACKED_POINTS))
    np.testing.assert_allclose(embedding.barycentric.sum(axis=1), 1, atol=1e-4)


def test_points_are_where_their_names_say(model):
    """Facts about MediaPipe's mesh: 1 nose tip, 10 forehead, 152 chin, 33 and 263 outer corners of
    right and left eye, 61 and 291 corners of the mouth, 13 and 14 upper and lower lip."""
    place = model.template
    assert place[:, 2].argmax() in (1, 4, 19, 44, 274)
    assert place[152, 1] == place[:, 1].min()
    assert place[10, 1] > place[[33, 263, 1, 152], 1].max()
    for right, left in ((33, 263), (61, 291), (234, 454)):
        assert place[right, 0] < -0.01 < 0.01 < place[left, 0]
        np.testing.assert_allclose(place[right] * [-1, 1, 1], place[left], atol=1.5e-3)
    assert abs(place[13, 1] - place[14, 1]) < 1e-4  # the mouth is closed


def test_an_open_jaw_takes_the_lower_lip_and_leaves_the_upper(model):
    jaw = HeadPose(np.zeros(50), np.zeros(3), np.array([0.2, 0, 0]), np.ones(3))
    moved = np.asarray(posed_landmarks(model, jaw, np.zeros(100))) - model.template
    assert moved[14, 1] < -0.008
    assert abs(moved[13, 1]) < 0.002
    assert np.linalg.norm(moved[10]) < 1e-6


def test_points_move_with_the_vertices(face, model, pose):
    shape = np.random.default_rng(1).normal(size=100).astype(np.float32)
    vertices = np.asarray(
        face_vertices(
            face, pose.expression, shape=shape, global_orient=pose.rotation, jaw_pose=pose.jaw
        )
    )
    embedding = builtin_landmarks()
    corners = vertices[:, np.asarray(face.faces)[embedding.triangles]]
    expected = np.einsum("tcjk,cj->tck", corners, embedding.barycentric)
    np.testing.assert_allclose(posed_landmarks(model, pose, shape), expected, atol=6e-5)


@pytest.mark.parametrize("frame", [0, 1, 2])
def test_derivatives_in_closed_form_are_those_of_automatic_differentiation(model, pose, frame):
    one = jax.tree.map(lambda values: values[frame], pose)
    shape = np.random.default_rng(frame).normal(size=100).astype(np.float32)
    by_expression, by_shape = seen_jacobians(model, one, shape)
    np.testing.assert_allclose(expression_jacobian(model, one), by_expression, atol=1e-5)
    np.testing.assert_allclose(shape_jacobian(model, one), by_shape, atol=1e-5)


def test_rims_of_the_lips_count_more(model):
    assert set(np.flatnonzero(model.importance > 1)) == set(LIP_RIMS)


def test_flames_own_embedding_is_read_by_its_names(face, tmp_path):
    path = tmp_path / "mediapipe_landmark_embedding.npz"
    np.savez(
        path,
        landmark_indices=[13, 14],
        lmk_face_idx=[5, 6],
        lmk_b_coords=[[1, 0, 0], [0.2, 0.3, 0.5]],
    )
    embedding = read_landmarks(path, face)
    assert embedding.points.tolist() == [13, 14]
    assert embedding.triangles.tolist() == [5, 6]
    assert landmark_model(face, embedding).template.shape == (2, 3)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"points": [1], "triangles": [1]}, "not a landmark embedding"),
        ({"points": [1, 2], "triangles": [1], "barycentric": [[1, 0, 0]]}, "2 points, 1 triangles"),
        (
            {"points": [1], "triangles": [999_999], "barycentric": [[1, 0, 0]]},
            "belongs to this face",
        ),
        ({"points": [], "triangles": [], "barycentric": np.zeros((0, 3))}, "0 points"),
        ({"points": [1], "triangles": [1.5], "barycentric": [[1, 0, 0]]}, "need whole numbers"),
        ({"points": [1], "triangles": [1], "barycentric": [[np.nan, 0, 0]]}, "do not sum to 1"),
        ({"points": [1], "triangles": [1], "barycentric": [[1, 1, 0]]}, "do not sum to 1"),
        (
            {"points": np.array([None]), "triangles": [1], "barycentric": [[1, 0, 0]]},
            "pickled objects",
        ),
        ({"points": [478], "triangles": [1], "barycentric": [[1, 0, 0]]}, "belongs to this face"),
    ],
)
def test_an_embedding_that_does_not_fit_is_refused(arrays, said, face, tmp_path):
    np.savez(tmp_path / "e.npz", **arrays)
    with pytest.raises(InputError, match=said):
        read_landmarks(tmp_path / "e.npz", face)


def test_a_missing_or_foreign_file_is_refused(face, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_landmarks(tmp_path / "no.npz", face)
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(InputError, match="not a landmark embedding"):
        read_landmarks(tmp_path / "text.npz", face)
    np.save(tmp_path / "bare.npy", np.zeros(3))
    with pytest.raises(InputError, match="not a landmark embedding"):
        read_landmarks(tmp_path / "bare.npy", face)
