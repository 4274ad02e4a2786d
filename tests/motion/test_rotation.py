"""Rotations against SciPy and against their own inverse, including difficult angles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ksdiff_jax.motion import rotation
from tests.run_once import jit_to_run_once

# Compiled whole: one by one, their operations take many times longer to compile.
axis_angle = jit_to_run_once(rotation.axis_angle)
relative_angle = jit_to_run_once(rotation.relative_angle)
rotation_matrix = jit_to_run_once(rotation.rotation_matrix)


@pytest.mark.parametrize("angle", [0.0, 1e-8, 1e-4, 1e-3, 0.5, 2.0, np.pi - 1e-3, np.pi])
def test_matrices_agree_with_scipy(angle):
    axes = np.random.default_rng(0).normal(size=(20, 3))
    vectors = (angle * axes / np.linalg.norm(axes, axis=-1, keepdims=True)).astype(np.float32)
    expected = Rotation.from_rotvec(vectors.astype(np.float64)).as_matrix()
    np.testing.assert_allclose(rotation_matrix(jnp.asarray(vectors)), expected, atol=1e-6)


@pytest.mark.parametrize("angle", [0.0, 1e-5, 0.3, 3.0, np.pi - 1e-3, np.pi])
def test_axis_angle_inverts_the_matrix(angle):
    axes = np.random.default_rng(1).normal(size=(50, 3))
    vectors = (angle * axes / np.linalg.norm(axes, axis=-1, keepdims=True)).astype(np.float32)
    matrices = rotation_matrix(jnp.asarray(vectors))
    np.testing.assert_allclose(
        rotation_matrix(axis_angle(matrices)), matrices, atol=2e-3 if angle > 3 else 1e-6
    )


@pytest.mark.parametrize("angle", [1e-6, 1e-3, 1.0, 3.0, np.pi])
def test_the_relative_angle_is_the_angle_of_the_rotation_between(angle):
    base = Rotation.random(30, random_state=2)
    step = Rotation.from_rotvec(np.tile([0.6 * angle, 0.0, 0.8 * angle], (30, 1)))
    a, b = base.as_rotvec().astype(np.float32), (step * base).as_rotvec().astype(np.float32)
    np.testing.assert_allclose(
        relative_angle(jnp.asarray(a), jnp.asarray(b)), angle, atol=2e-6, rtol=1e-3
    )


def test_gradients_are_finite_at_zero_and_where_two_rotations_are_equal():
    zero = jnp.zeros(3)
    jacobian = jit_to_run_once(jax.jacobian(rotation.rotation_matrix))(zero)
    assert np.all(np.isfinite(jacobian))
    generator = jacobian[..., 0]
    np.testing.assert_allclose(generator, [[0, 0, 0], [0, 0, -1], [0, 1, 0]], atol=1e-7)
    same = jnp.array([0.1, -0.2, 0.3])
    gradient = jit_to_run_once(jax.grad(lambda r: rotation.relative_angle(same, r)))(same)
    assert np.all(np.isfinite(gradient))
