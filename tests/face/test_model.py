"""The forward pass against loops written from FLAME's equations, in float64."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.face import FaceModel, face_height, face_vertices, mouth_opening

PARENTS = (-1, 0, 1, 1, 1)


def random_face(vertices: int = 40, seed: int = 0) -> FaceModel:
    """A FLAME-form model of random numbers, with every part in use."""
    rng = np.random.default_rng(seed)
    weights = rng.random((vertices, 5))
    regressor = rng.random((5, vertices))
    regions = {
        name: np.arange(3, dtype=np.int32) for name in ("lips", "upper_face", "eyes", "neck")
    }
    arrays = {
        "template": rng.normal(size=(vertices, 3)),
        "shape_directions": rng.normal(size=(100, vertices, 3)) * 0.1,
        "expression_directions": rng.normal(size=(50, vertices, 3)) * 0.1,
        "pose_correctives": rng.normal(size=(36, vertices, 3)) * 0.1,
        "joint_regressor": regressor / regressor.sum(axis=1, keepdims=True),
        "skinning_weights": weights / weights.sum(axis=1, keepdims=True),
        "colours": np.full((vertices, 3), 0.5),
        "gloss": np.full(vertices, 0.5),
    }
    return FaceModel(
        **{name: array.astype(np.float32) for name, array in arrays.items()},
        faces=rng.integers(0, vertices, (30, 3)).astype(np.int32),
        regions=regions,
        inner_lip_pairs=np.array([[0, 1]], np.int32),
        height_pair=np.array([2, 3], np.int32),
    )


def rotation_by_series(r: np.ndarray) -> np.ndarray:
    """exp of the cross-product matrix by its power series: no formula shared with the code."""
    k = np.array([[0, -r[2], r[1]], [r[2], 0, -r[0]], [-r[1], r[0], 0]])
    total, term = np.eye(3), np.eye(3)
    for n in range(1, 40):
        term = term @ k / n
        total = total + term
    return total


def vertices_by_loop(face: FaceModel, expression, shape, pose) -> np.ndarray:
    """One frame, vertex by vertex, with homogeneous 4 x 4 matrices."""
    f = {field.name: getattr(face, field.name) for field in dataclasses.fields(face)}
    template = f["template"].astype(np.float64)
    identity = template + sum(
        shape[i] * f["shape_directions"][i].astype(np.float64) for i in range(100)
    )
    joints = f["joint_regressor"].astype(np.float64) @ identity
    shaped = identity + sum(
        expression[i] * f["expression_directions"][i].astype(np.float64) for i in range(50)
    )
    rotations = [rotation_by_series(r) for r in pose]
    feature = np.concatenate([(rotations[k] - np.eye(3)).reshape(-1) for k in range(1, 5)])
    if f["pose_correctives"] is not None:
        shaped = shaped + sum(
            feature[i] * f["pose_correctives"][i].astype(np.float64) for i in range(36)
        )
    world = []
    for k, parent in enumerate(PARENTS):
        local = np.eye(4)
        local[:3, :3] = rotations[k]
        local[:3, 3] = joints[k] - (joints[parent] if parent >= 0 else 0)
        world.append(local if parent < 0 else world[parent] @ local)
    result = np.zeros_like(shaped)
    for v in range(len(shaped)):
        for k in range(5):
            moved = world[k] @ np.append(shaped[v] - joints[k], 1.0)
            result[v] += float(f["skinning_weights"][v, k]) * moved[:3]
    return result


def random_frames(count: int, seed: int = 1):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(count, 50)).astype(np.float32),
        rng.normal(size=100).astype(np.float32),
        rng.normal(size=(count, 5, 3)).astype(np.float32) * 0.6,
    )


def posed(face, expression, shape, pose):
    return face_vertices(
        face,
        expression,
        shape=shape,
        global_orient=pose[..., 0, :],
        neck_pose=pose[..., 1, :],
        jaw_pose=pose[..., 2, :],
        eyes_pose=pose[..., 3:, :].reshape(*pose.shape[:-2], 6),
    )


@pytest.mark.parametrize("correctives", [True, False])
def test_vertices_equal_a_loop_over_flames_equations(correctives):
    face = random_face()
    if not correctives:
        face = dataclasses.replace(face, pose_correctives=None)
    expression, shape, pose = random_frames(3)
    got = np.asarray(posed(face, expression, shape, pose))
    for n in range(3):
        np.testing.assert_allclose(
            got[n], vertices_by_loop(face, expression[n], shape, pose[n]), atol=2e-4
        )


def test_any_leading_axes_give_what_frames_one_by_one_give():
    face = random_face()
    expression, shape, pose = random_frames(6)
    together = posed(face, expression.reshape(2, 3, 50), shape, pose.reshape(2, 3, 5, 3))
    assert together.shape == (2, 3, 40, 3)
    one = posed(face, expression[4], shape, pose[4])
    np.testing.assert_allclose(together[1, 1], one, atol=1e-5)


def test_a_face_without_poses_is_its_template_plus_blendshapes():
    face = random_face()
    expression, _, _ = random_frames(1)
    expected = face.template + np.tensordot(expression[0], face.expression_directions, 1)
    np.testing.assert_allclose(face_vertices(face, expression[0]), expected, atol=1e-5)


def test_a_global_rotation_moves_the_face_as_one_piece():
    face = dataclasses.replace(random_face(), pose_correctives=None)
    still = np.asarray(face_vertices(face, np.zeros(50, np.float32)))
    turned = np.asarray(
        face_vertices(
            face, np.zeros(50, np.float32), global_orient=np.array([0.3, -0.8, 0.2], np.float32)
        )
    )
    distances = [np.linalg.norm(v[:, None] - v[None], axis=-1) for v in (still, turned)]
    np.testing.assert_allclose(*distances, atol=1e-5)
    assert np.abs(still - turned).max() > 0.1


def test_gradients_at_the_zero_pose_are_finite_and_right():
    face = random_face()

    def height(pose, expression):
        return jnp.sum(posed(face, expression, jnp.zeros(100), pose)[:, 1] * jnp.arange(40.0))

    pose, expression = jnp.zeros((5, 3)), jnp.zeros(50)
    gradient = jax.grad(height, argnums=(0, 1))(pose, expression)
    assert all(np.isfinite(g).all() for g in gradient)
    step = 1e-2
    for joint, axis in ((0, 2), (2, 0), (4, 1)):
        push = jnp.zeros((5, 3)).at[joint, axis].set(step)
        slope = (height(push, expression) - height(-push, expression)) / (2 * step)
        assert abs(float(slope - gradient[0][joint, axis])) < 2e-3 * max(1, abs(float(slope)))


def test_opening_and_height_are_distances_between_their_vertices():
    face = random_face()
    vertices = np.asarray(face_vertices(face, np.zeros((2, 50), np.float32)))
    expected = np.linalg.norm(face.template[0] - face.template[1])
    np.testing.assert_allclose(mouth_opening(face, vertices), [expected, expected], rtol=1e-5)
    assert face_height(face) == pytest.approx(
        float(np.linalg.norm(face.template[2] - face.template[3])), rel=1e-5
    )
