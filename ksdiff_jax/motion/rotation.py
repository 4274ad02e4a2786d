"""Rotations as axis-angle vectors (radians) and matrices, differentiable everywhere including at 0.

Rodrigues' formula, with K the cross-product matrix of the axis-angle vector r and θ = |r|:

    R = I + (sin θ / θ) K + ((1 − cos θ) / θ²) K²                                             (1)

The angle of a relative rotation is computed from its sine and cosine parts. Unlike arccos, this is
stable near 0 and near π:

    Q = R_b R_a^T,  sin θ = |vee(Q − Q^T)| / 2,  cos θ = (tr Q − 1) / 2,
    θ = atan2(sin θ, cos θ)                                                                   (2)
"""

import jax.numpy as jnp

from ksdiff_jax.typing import Array, Float

# Below this squared angle the series of sin θ / θ and (1 − cos θ) / θ² are exact in float32.
_SMALL_SQUARED_ANGLE = 1e-6


def rotation_matrix(axis_angle: Float[Array, "*b 3"]) -> Float[Array, "*b 3 3"]:
    """Return the rotation matrices of axis-angle vectors, Eq. 1; the gradient at 0 is finite and
    exact.
    """
    squared = jnp.sum(axis_angle**2, axis=-1)[..., None, None]
    small = squared < _SMALL_SQUARED_ANGLE
    angle = jnp.sqrt(jnp.where(small, 1.0, squared))
    first = jnp.where(small, 1 - squared / 6, jnp.sin(angle) / angle)
    second = jnp.where(small, 0.5 - squared / 24, (1 - jnp.cos(angle)) / angle**2)
    cross = _cross_matrix(axis_angle)
    # The cross-product matrix squared is r r^T - |r|^2 I, cheaper than a matrix product.
    eye = jnp.eye(3, dtype=axis_angle.dtype)
    cross_squared = axis_angle[..., :, None] * axis_angle[..., None, :] - squared * eye
    return eye + first * cross + second * cross_squared


def axis_angle(matrix: Float[Array, "*b 3 3"]) -> Float[Array, "*b 3"]:
    """Return the axis-angle vectors of rotation matrices, angle in [0, π]; the inverse of
    `rotation_matrix`.
    """
    sine_axis = _vee(matrix)
    sine = jnp.linalg.norm(sine_axis, axis=-1, keepdims=True)
    cosine = ((jnp.trace(matrix, axis1=-2, axis2=-1) - 1) / 2)[..., None]
    angle = jnp.arctan2(sine, cosine)
    regular = sine_axis * jnp.where(sine > 1e-6, angle / jnp.maximum(sine, 1e-12), 1.0)
    # Near π the antisymmetric part vanishes: R ≈ 2 a a^T − I, so the longest column of R + I points
    # along the axis.
    symmetric = (matrix + jnp.swapaxes(matrix, -1, -2)) / 2 + jnp.eye(3, dtype=matrix.dtype)
    column = jnp.argmax(jnp.diagonal(symmetric, axis1=-2, axis2=-1), axis=-1)
    axis = jnp.take_along_axis(symmetric, column[..., None, None], axis=-1)[..., 0]
    axis = axis / jnp.maximum(jnp.linalg.norm(axis, axis=-1, keepdims=True), 1e-12)
    sign = jnp.where(jnp.sum(axis * sine_axis, axis=-1, keepdims=True) < 0, -1.0, 1.0)
    return jnp.where((cosine < -0.999), sign * axis * angle, regular)


def relative_angle(a: Float[Array, "*b 3"], b: Float[Array, "*b 3"]) -> Float[Array, "*b"]:
    """Return the angle in [0, π] of the rotation from `a` to `b` (both axis-angle), Eq. 2; its
    gradient at a = b is 0.
    """
    difference = jnp.einsum("...ij,...kj->...ik", rotation_matrix(b), rotation_matrix(a))
    sine_axis = _vee(difference)
    squared = jnp.sum(sine_axis**2, axis=-1)
    at_zero = squared < 1e-24
    sine = jnp.where(at_zero, 0.0, jnp.sqrt(jnp.where(at_zero, 1.0, squared)))
    cosine = (jnp.trace(difference, axis1=-2, axis2=-1) - 1) / 2
    return jnp.arctan2(sine, cosine)


def _cross_matrix(vector: Float[Array, "*b 3"]) -> Float[Array, "*b 3 3"]:
    x, y, z = vector[..., 0], vector[..., 1], vector[..., 2]
    zero = jnp.zeros_like(x)
    rows = [jnp.stack(row, axis=-1) for row in ((zero, -z, y), (z, zero, -x), (-y, x, zero))]
    return jnp.stack(rows, axis=-2)


def _vee(matrix: Float[Array, "*b 3 3"]) -> Float[Array, "*b 3"]:
    """Return the vector (sin θ times the axis) of the antisymmetric part of a rotation matrix."""
    parts = [matrix[..., 2, 1] - matrix[..., 1, 2], matrix[..., 0, 2] - matrix[..., 2, 0]]
    parts.append(matrix[..., 1, 0] - matrix[..., 0, 1])
    return jnp.stack(parts, axis=-1) / 2
