"""Fits a face model to landmarks: one identity per clip; expression, jaw, head rotation and camera
per frame.

The objective compares detected points l_tk in units of half a picture (u right, v up, both in [-1,
1]) with the points of `landmarks.py`:

    E(θ, β) =   Σ_t Σ_k  w_tk ρ(|r_tk| / σ)          r_tk = project(points_k(θ_t, β)) − l_tk
              + Σ_t ψ_tᵀ Q ψ_t                        small expressions are likely
              + Σ_t |Λ^½ (θ_t−1 − 2 θ_t + θ_t+1)|²    motion is smooth; a lost frame is bridged
              + |β|² / σ_β²                           faces are near the mean

with θ_t = (ψ expression, rotation, jaw, camera), the 59 numbers of motion/space.py. ρ is the Huber
function, and σ is the median residual of the clip. Q measures an expression by the distance that it
moves the points, so it does not depend on the units of the model. The solver is Gauss-Newton. It
builds the normal matrices of all frames at once. Only the smoothness term couples the frames, so
each step is solved by conjugate gradients with the frames' own matrices as preconditioner. Between
these steps the identity is refitted from frames spread over the clip. The initial value is the
scaled orthographic pose of the rigid mean face.

The fit is one jitted program per padded length (`BUCKET_FRAMES`).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.face.landmarks import (
    HeadPose,
    LandmarkModel,
    expression_jacobian,
    posed_landmarks,
    projected,
    shape_jacobian,
)
from ksdiff_jax.motion import space
from ksdiff_jax.motion.rotation import axis_angle
from ksdiff_jax.typing import Array, Float, PyTree

BUCKET_FRAMES = 128
HEAD = slice(space.ROTATION.start, space.CAMERA.stop)  # rotation, jaw, camera
IDENTITY_FRAMES = 48
POSE_ROUNDS, IDENTITY_ROUNDS, LAST_ROUNDS = 3, 5, 3
SOLVER_STEPS = 30

# Typical sizes of the 59 numbers. The solver scales by them, so that all unknowns have a similar
# size.
SCALES = np.ones(space.MOTION_DIMS, np.float32)
SCALES[space.ROTATION], SCALES[space.JAW], SCALES[space.CAMERA] = 0.1, 0.1, (0.5, 0.005, 0.005)
# Priors. An expression moves the points by a root mean square of this many metres; a direction that
# moves no point stays 0.
EXPRESSION_M, RIDGE = 0.001, 0.3
JAW_RAD = np.array([0.3, 0.01, 0.01], np.float32)  # large about x (opening), small about y and z
SHAPE_STD = 0.6
# the prior on a clip's mean expression is this much stronger than on a frame's
MEAN_PRIOR_STRENGTH = 2.0
# Scale of second differences at 25 Hz, per frame squared: of the points for the expression, of the
# other dimensions.
EXPRESSION_ACCELERATION_M = 0.0016
ACCELERATION = np.ones(space.MOTION_DIMS, np.float32)
ACCELERATION[space.ROTATION], ACCELERATION[space.JAW] = 0.006, 0.03
ACCELERATION[space.CAMERA] = (0.05, 0.0005, 0.0005)
# Errors of neighbouring points are correlated: this many count as one.
POINTS_PER_FACT = 16.0
SMALLEST_RESIDUAL = 1e-3


class FaceFit(NamedTuple):
    """A fitted clip."""

    pose: HeadPose  # (t, ...)
    shape: Float[np.ndarray, "100"]
    # median distance between detected and fitted points, in half pictures
    error: Float[np.ndarray, "t"]


class Seen(NamedTuple):
    """The points detected in a clip; a frame of weight 0 is ignored."""

    points: Float[Array, "t c 2"]
    weights: Float[Array, "t"]


class Priors(NamedTuple):
    """Q of expression and jaw, and Λ of all dimensions, in units of `SCALES`."""

    prior: Float[Array, "59 59"]
    smoothness: Float[Array, "59 59"]


def fit_landmarks(
    model: LandmarkModel, seen: Float[np.ndarray, "t c 2"], weights: Float[np.ndarray, "t"]
) -> FaceFit:
    """Fit `model` to its c points detected in t frames at 25 Hz. A frame of weight 0 is ignored and
    interpolated.

    Raises `ValueError` if fewer than one frame in ten is detected.
    """
    frames = len(seen)
    if np.count_nonzero(weights) < max(1, frames // 10):
        raise ValueError(f"{np.count_nonzero(weights)} of {frames} frames have landmarks")
    padding = -frames % BUCKET_FRAMES
    weights = np.pad(np.asarray(weights, np.float32), (0, padding))
    seen = np.pad(
        np.where(weights[:frames, None, None] > 0, seen, 0), [(0, padding), (0, 0), (0, 0)]
    )
    fitted, shape, error = _fit(jax.tree.map(_single, model), Seen(_single(seen), weights))
    return FaceFit(
        _as_pose(np.asarray(fitted[:frames])), np.asarray(shape), np.asarray(error[:frames])
    )


def _single(array: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    return np.asarray(array, np.float32)


@jax.jit
def _fit(
    model: LandmarkModel, seen: Seen
) -> tuple[Float[Array, "t 59"], Float[Array, "100"], Float[Array, "t"]]:
    priors = _priors(model)
    rigid = jnp.zeros(space.MOTION_DIMS).at[space.ROTATION].set(1).at[space.CAMERA].set(1)
    shape = jnp.zeros(space.SHAPE_DIMS)
    motion = _interpolated(_rigid_start(model, seen.points), seen.weights)

    def round_of(free, *, with_identity):
        def body(_, state):
            motion, shape = state
            motion = _motion_step(model, seen, motion, shape, priors=priors, free=free)
            if with_identity:
                motion, shape = _identity_step(model, seen, motion, shape, prior=priors.prior)
            return motion, shape

        return body

    state = jax.lax.fori_loop(0, POSE_ROUNDS, round_of(rigid, with_identity=True), (motion, shape))
    everything = jnp.ones(space.MOTION_DIMS)
    state = jax.lax.fori_loop(0, IDENTITY_ROUNDS, round_of(everything, with_identity=True), state)
    motion, shape = jax.lax.fori_loop(
        0, LAST_ROUNDS, round_of(everything, with_identity=False), state
    )
    error = jnp.linalg.norm(_residuals(model, seen.points, motion, shape), axis=-1)
    return motion, shape, jnp.median(error, axis=-1)


def _as_pose(motion: Float[Array | np.ndarray, "*b 59"]) -> HeadPose:
    slices = (space.EXPRESSION, space.ROTATION, space.JAW, space.CAMERA)
    return HeadPose(*(motion[..., part] for part in slices))


def _residuals(
    model, seen: Float[Array, "*b c 2"], motion: Float[Array, "*b 59"], shape
) -> Float[Array, "*b c 2"]:
    pose = _as_pose(motion)
    return projected(posed_landmarks(model, pose, shape), pose.camera) - seen


def _robust_weights(
    residuals: Float[Array, "t c 2"], weights: Float[Array, "t"], importance: Float[Array, "c"]
) -> tuple[Float[Array, "t c"], Float[Array, ""]]:
    """Return Huber's weights over σ², and σ, the median distance over detected frames."""
    distance = jnp.linalg.norm(residuals, axis=-1)
    per_frame = jnp.where(weights > 0, jnp.median(distance, axis=-1), jnp.nan)
    sigma = jnp.maximum(jnp.nanmedian(per_frame), SMALLEST_RESIDUAL)
    huber = jnp.minimum(1.0, 2.0 * sigma / jnp.maximum(distance, 1e-9))
    return weights[:, None] * importance * huber / (POINTS_PER_FACT * sigma**2), sigma


def _priors(model: LandmarkModel) -> Priors:
    directions = model.expression_directions.reshape(space.EXPRESSION_DIMS, -1)
    moves = directions @ directions.T / len(model.template)  # square metres
    moves += RIDGE * jnp.trace(moves) / space.EXPRESSION_DIMS * jnp.eye(space.EXPRESSION_DIMS)
    zero = jnp.zeros((space.MOTION_DIMS, space.MOTION_DIMS))
    prior = zero.at[space.EXPRESSION, space.EXPRESSION].set(moves / EXPRESSION_M**2)
    prior = prior.at[space.JAW, space.JAW].set(jnp.diag(1 / JAW_RAD**2))
    smoothness = jnp.diag(ACCELERATION**-2.0)
    smoothness = smoothness.at[space.EXPRESSION, space.EXPRESSION].set(
        moves / EXPRESSION_ACCELERATION_M**2
    )
    units = SCALES[:, None] * SCALES
    return Priors(prior * units, smoothness * units)


def _jacobian(
    model, points: Float[Array, "c 2"], frame: Float[Array, "59"], shape
) -> Float[Array, "n 59"]:
    """Return the derivatives of one frame's residuals with respect to its motion: of the expression
    in closed form, of the pose by JAX.
    """

    def of_pose(pose: Float[Array, "9"]) -> Float[Array, "n"]:
        return _residuals(model, points, frame.at[HEAD].set(pose), shape).reshape(-1)

    by_expression = expression_jacobian(model, _as_pose(frame)).reshape(-1, space.EXPRESSION_DIMS)
    return jnp.concatenate([by_expression, jax.jacfwd(of_pose)(frame[HEAD])], axis=1)


def _motion_step(model, seen: Seen, motion, shape, *, priors: Priors, free) -> Float[Array, "t 59"]:
    """Take one Gauss-Newton step of all frames; only the dimensions where `free` is 1 change."""
    prior, smoothness = priors
    scales = SCALES * free

    residuals = _residuals(model, seen.points, motion, shape)
    certainty, _ = _robust_weights(residuals, seen.weights, model.importance)
    certainty = jnp.repeat(certainty, 2, axis=-1)  # (t, 2c)

    def normal(frame, points, residual, certain):
        jacobian = _jacobian(model, points, frame, shape) * scales
        weighted = jacobian * certain[:, None]
        return jacobian.T @ weighted, weighted.T @ residual.reshape(-1)

    matrices, gradient = jax.lax.map(
        lambda row: normal(*row), (motion, seen.points, residuals, certainty), batch_size=64
    )
    matrices += prior + 1e-2 * jnp.eye(space.MOTION_DIMS)
    scaled = motion / SCALES
    gradient += scaled @ prior + _fourth_difference(scaled) @ smoothness
    step = _solve(matrices, smoothness, -gradient * free)
    return motion + scales * step


def _solve(
    matrices: Float[Array, "t 59 59"],
    smoothness: Float[Array, "59 59"],
    right: Float[Array, "t 59"],
):
    """Solve (block diagonal + smoothness) x = right."""
    own = matrices + 6.0 * smoothness
    # One inverse per step: thirty solves with each factor would take most of the fit's time.
    inverses = jnp.linalg.inv(own)

    def apply(x: PyTree) -> PyTree:
        return jnp.einsum("tij,tj->ti", matrices, x) + _fourth_difference(x) @ smoothness

    def precondition(x: PyTree) -> PyTree:
        return jnp.einsum("tij,tj->ti", inverses, x)

    return jax.scipy.sparse.linalg.cg(apply, right, M=precondition, maxiter=SOLVER_STEPS, tol=1e-4)[
        0
    ]


def _fourth_difference(values: Float[Array, "t k"]) -> Float[Array, "t k"]:
    """Return DᵀD x, where D is the second difference of neighbouring frames."""
    second = values[:-2] - 2 * values[1:-1] + values[2:]
    padded = jnp.pad(second, [(2, 2), (0, 0)])
    return padded[:-2] - 2 * padded[1:-1] + padded[2:]


def _identity_step(
    model, seen: Seen, motion, shape, *, prior
) -> tuple[Float[Array, "t 59"], Float[Array, "100"]]:
    """Take one Gauss-Newton step of the identity together with the constant part of the motion.

    A long upper lip and one that is always pulled down look the same in every frame. The step
    solves for both at once, with the prior that a clip's mean expression is small. Alternating
    steps would converge to the same solution only slowly.
    """
    points, weights = seen
    order = jnp.argsort(weights <= 0, stable=True)  # the seen frames first
    present = jnp.maximum(jnp.sum(weights > 0), 1)
    chosen = order[(jnp.arange(IDENTITY_FRAMES) * present) // IDENTITY_FRAMES]
    points, weights, frames = points[chosen], weights[chosen], motion[chosen]
    certainty, _ = _robust_weights(
        _residuals(model, points, frames, shape), weights, model.importance
    )
    believed = jnp.zeros(space.MOTION_DIMS).at[space.EXPRESSION].set(1).at[space.JAW].set(1)

    def normal(row):
        points, frame, certain = row

        by_shape = shape_jacobian(model, _as_pose(frame)).reshape(-1, space.SHAPE_DIMS)
        # (2c, 159)
        jacobian = jnp.concatenate(
            [_jacobian(model, points, frame, shape) * SCALES, by_shape], axis=1
        )
        weighted = jacobian * jnp.repeat(certain, 2)[:, None]
        return jacobian.T @ weighted, weighted.T @ _residuals(model, points, frame, shape).reshape(
            -1
        )

    matrices, gradients = jax.lax.map(normal, (points, frames, certainty))
    priors = IDENTITY_FRAMES * jax.scipy.linalg.block_diag(
        MEAN_PRIOR_STRENGTH * prior + 1e-3 * jnp.eye(space.MOTION_DIMS),
        jnp.eye(space.SHAPE_DIMS) / (IDENTITY_FRAMES * SHAPE_STD**2),
    )
    now = jnp.concatenate([(frames / SCALES).mean(axis=0) * believed, shape])
    step = -jnp.linalg.solve(matrices.sum(axis=0) + priors, gradients.sum(axis=0) + priors @ now)
    return motion + SCALES * step[: space.MOTION_DIMS], shape + step[space.MOTION_DIMS :]


def _rigid_start(model: LandmarkModel, seen: Float[Array, "t c 2"]) -> Float[Array, "t 59"]:
    """Return the scaled orthographic pose of the mean face: the affine map from points to picture,
    projected onto scaled rotations.
    """
    centre = model.template.mean(axis=0)
    place = seen.mean(axis=1)  # (t, 2)
    points = model.template - centre
    inverse = jnp.linalg.inv(points.T @ points)
    affine = jnp.einsum("tcu,cx->tux", seen - place[:, None], points) @ inverse  # (t, 2, 3)
    left, sizes, right = jnp.linalg.svd(affine, full_matrices=False)
    rows = left @ right
    rotation = jnp.concatenate([rows, jnp.cross(rows[:, 0], rows[:, 1])[:, None]], axis=1)
    scale = jnp.maximum(sizes.mean(axis=-1), 1e-3)
    root = model.joints[0]
    middle = (rotation @ (centre - root) + root)[:, :2]
    camera = jnp.concatenate([scale[:, None], place / scale[:, None] - middle], axis=1)
    motion = jnp.zeros((len(seen), space.MOTION_DIMS))
    return motion.at[:, space.ROTATION].set(axis_angle(rotation)).at[:, space.CAMERA].set(camera)


def _interpolated(motion: Float[Array, "t 59"], weights: Float[Array, "t"]) -> Float[Array, "t 59"]:
    """Interpolate frames of weight 0 between their detected neighbours."""
    times = jnp.arange(len(motion), dtype=jnp.float32)
    order = jnp.argsort(weights <= 0, stable=True)
    present = jnp.maximum(jnp.sum(weights > 0), 1)
    # The detected frames first; after them the last one repeated, with increasing times.
    position = jnp.arange(len(motion))
    source = order[jnp.minimum(position, present - 1)]
    known = jnp.where(position < present, times[source], len(motion) + times)
    return jax.vmap(functools.partial(jnp.interp, times, known), in_axes=1, out_axes=1)(
        motion[source]
    )
