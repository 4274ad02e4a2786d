"""The names of the actions and their linear map to expression coefficients."""

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.face import builtin_face, face_vertices
from ksdiff_jax.face.actions import (
    ACTIONS,
    GROUPS,
    SPEECH_STD,
    actions_to_expression,
    actions_to_expression_matrix,
    coefficients_of,
    expression_to_actions,
)


def test_there_are_fifty_different_actions_and_every_one_is_in_one_group():
    assert len(ACTIONS) == len(set(ACTIONS)) == 50
    assert sorted(name for group in GROUPS.values() for name in group) == sorted(ACTIONS)


def test_the_map_is_invertible_and_well_conditioned():
    matrix = actions_to_expression_matrix()
    assert np.linalg.cond(matrix) < 20
    weights = np.random.default_rng(0).random((4, 3, 50)).astype(np.float32)
    back = expression_to_actions(actions_to_expression(weights))
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, weights, atol=1e-5)
    np.testing.assert_allclose(
        actions_to_expression(jnp.asarray(weights)), actions_to_expression(weights), atol=1e-4
    )


def test_weights_of_their_speech_size_give_coefficients_of_size_one():
    rng = np.random.default_rng(1)
    std = np.array([SPEECH_STD[name] for name in ACTIONS])
    expression = actions_to_expression(rng.normal(size=(20000, 50)) * std)
    blink = expression[:, :2]
    np.testing.assert_allclose(expression[:, 2:].std(axis=0), 1, atol=0.03)
    assert blink.std(axis=0).max() < 0.2


def test_no_group_mixes_with_another():
    of_groups = [coefficients_of(group) for group in GROUPS]
    assert sorted(sum(of_groups, ())) == list(range(50))
    assert coefficients_of(*GROUPS) == tuple(range(50))
    for group, columns in zip(GROUPS, of_groups, strict=True):
        expression = np.zeros((1, 50))
        expression[:, columns] = 1.0
        moved = np.flatnonzero(np.abs(expression_to_actions(expression))[0] > 1e-9)
        assert {ACTIONS[action] for action in moved} <= set(GROUPS[group])


def test_all_actions_are_linearly_independent_on_the_built_in_head():
    face = builtin_face()
    moved = (
        np.asarray(face_vertices(face, actions_to_expression(np.eye(50, dtype=np.float32))))
        - face.template
    )
    flat = moved.reshape(50, -1).astype(np.float64)
    sizes = np.linalg.svd(flat / np.linalg.norm(flat, axis=1, keepdims=True), compute_uv=False)
    assert sizes[-1] > 0.01


def test_expression_directions_of_a_group_are_orthogonal():
    directions = builtin_face().expression_directions.reshape(50, -1).astype(np.float64)
    place = 0
    for group in GROUPS.values():
        block = directions[place : place + len(group)]
        place += len(group)
        gram = block @ block.T
        assert np.abs(gram - np.diag(np.diag(gram))).max() < 0.02 * gram.max()
