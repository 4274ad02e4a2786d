"""The dressed head: the built-in head unchanged, a tongue behind the lips, shoulders that stay."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ksdiff_jax.asset_builders.dressing import make_dressing
from ksdiff_jax.face import builtin_face, face_vertices
from ksdiff_jax.face.actions import ACTIONS, actions_to_expression, expression_to_actions
from ksdiff_jax.face.arkit import ARKIT_NAMES, arkit_basis
from ksdiff_jax.face.drawn_pose import lids_following, shared_turn
from ksdiff_jax.face.dressed import dressed_head, dressed_pieces, dressed_spans, tongue_shape
from ksdiff_jax.face.head.file import load_head
from ksdiff_jax.face.head.surface import signed_distance
from ksdiff_jax.face.head.tongue import tongue_displacements
from tests.face.test_teeth import MILLIMETRE, TALL, WIDE, Scene, spoken


@pytest.fixture(scope="module")
def scene():
    return Scene()


def test_the_own_vertices_of_the_head_are_bit_for_bit_those_of_the_built_in_head():
    own, dressed = builtin_face(), dressed_head()
    count = len(own.template)
    np.testing.assert_array_equal(dressed.template[:count], own.template)
    np.testing.assert_array_equal(dressed.skinning_weights[:count], own.skinning_weights)
    np.testing.assert_array_equal(dressed.joint_regressor[:, :count], own.joint_regressor)
    for name in ("expression_directions", "shape_directions"):
        np.testing.assert_array_equal(getattr(dressed, name)[:, :count], getattr(own, name))
    assert not dressed.joint_regressor[:, count:].any()
    assert not dressed.expression_directions[:, count:].any()
    assert not dressed_spans()["tongue"].start - count


def test_the_mesh_is_sound_and_its_pieces_are_the_whole():
    face = dressed_head()
    assert face.faces.max() == len(face.template) - 1
    np.testing.assert_allclose(face.skinning_weights.sum(axis=1), 1, atol=1e-5)
    corners = np.sort(face.faces, axis=1)
    assert (np.diff(corners, axis=1) > 0).all()
    assert len(np.unique(corners, axis=0)) == len(corners)
    head, more = dressed_pieces()
    np.testing.assert_array_equal(np.concatenate([head.template, more.template]), face.template)
    assert len(head.faces) + len(more.faces) == len(face.faces)


def test_the_shirt_covers_the_cut_edge_of_the_neck():
    face, spans = dressed_head(), dressed_spans()
    shirt = face.template[spans["bust"]].astype(float)
    outside = signed_distance(shirt) > 0
    # Only the ring inside the collar lies in the neck.
    assert outside.mean() > 0.9
    skin = face.template[load_head().spans["skin"]]
    edge = skin[skin[:, 1] < -0.18]
    assert len(edge) > 20 and shirt[outside, 1].max() > edge[:, 1].max() + 0.02


def test_the_head_turns_as_before_and_the_shoulders_stay_behind():
    rng = np.random.default_rng(0)
    turn, neck = rng.normal(size=(2, 5, 3)).astype(np.float32) * [[[0.2]], [[0.1]]]
    turn, neck = turn.astype(np.float32), neck.astype(np.float32)
    face, still = dressed_head(), np.zeros((5, 50), np.float32)
    shared = dict(zip(("global_orient", "neck_pose"), shared_turn(turn, neck), strict=True))
    before = np.asarray(face_vertices(face, still, global_orient=turn, neck_pose=neck))
    after = np.asarray(face_vertices(face, still, **shared))
    carried = face.skinning_weights[:, 0] < 1e-6  # all of the head above the neck
    below, above = (face.joint_regressor @ face.template)[:2]
    roots = [Rotation.from_rotvec(r).apply(above - below) for r in (shared["global_orient"], turn)]
    moved = (roots[0] - roots[1])[:, None]
    np.testing.assert_allclose(after[:, carried], before[:, carried] + moved, atol=1e-5)
    hem = face.skinning_weights[:, 0] > 1 - 1e-6
    swayed = np.linalg.norm(after[:, hem] - face.template[hem], axis=-1).max()
    assert 0 < swayed < 0.4 * np.linalg.norm(before[:, hem] - face.template[hem], axis=-1).max()


def test_lids_follow_the_pitch_of_the_eyes_and_leave_a_blink_closed():
    weights = np.zeros((3, len(ACTIONS)), np.float32)
    blink = ACTIONS.index("EyeBlinkLeft")
    weights[2, blink] = 1.0
    pitch = np.zeros((3, 6))
    pitch[:, 0] = pitch[:, 3] = [0.2, -0.2, 0.2]
    found = expression_to_actions(lids_following(actions_to_expression(weights), pitch))
    assert found[0, blink] == pytest.approx(0.2, abs=1e-4)
    assert found[1, ACTIONS.index("EyeWideLeft")] > 0.1 and abs(found[1, blink]) < 1e-4
    assert found[2, blink] == pytest.approx(1.0, abs=1e-4)


def in_front(scene, points, tongue):
    """How far the tongue reaches in front of lips and skin, in metres; negative behind."""
    height, _ = scene.drawn(points, scene.cover)
    column, row = np.round(scene.screen(tongue)[:, :2].T).astype(int)
    there = height[row.clip(0, TALL - 1), column.clip(0, WIDE - 1)]
    covered = there > -1
    return float((tongue[covered, 2] - there[covered]).max(initial=-1.0))


def tongue_at(weights, jaw):
    """Vertices of the tongue, turned with the jaw."""
    face, span = dressed_head(), dressed_spans()["tongue"]
    centre = (face.joint_regressor @ face.template)[2]
    moved = face.template[span] + tongue_displacements(np.asarray(weights, float), np.array(jaw[0]))
    return Rotation.from_rotvec(jaw).apply(moved - centre) + centre


@pytest.mark.parametrize("weights", [(0, 0), (1, 0), (0, 1), (0.5, 0.5)])
def test_the_tongue_is_behind_the_lips_in_speech(scene, weights):
    actions, jaws = spoken(np.random.default_rng(4), count=60)
    for points, jaw in zip(scene.posed(actions, jaws), jaws, strict=True):
        tongue = tongue_at(weights, jaw.astype(float))
        assert in_front(scene, points, tongue) < -0.5 * MILLIMETRE
    ahead = tongue + np.array([0, 0, 0.03])
    assert in_front(scene, points, ahead) > MILLIMETRE


def test_the_tip_reaches_the_ridge_and_comes_between_the_teeth():
    upper = builtin_face().template[load_head().spans["upper_teeth"]]
    edge = upper[np.abs(upper[:, 0]) < 0.004]
    for angle in (0.05, 0.1, 0.2):
        jaw = np.array([angle, 0, 0])
        tip = tongue_at((1, 0), jaw)[-1]
        assert edge[:, 1].min() - 0.001 < tip[1] < edge[:, 1].max() and tip[2] < edge[:, 2].max()
    rest, out = (tongue_at(weights, np.array([0.1, 0, 0]))[-1] for weights in ((0, 0), (0, 1)))
    assert rest[2] < edge[:, 2].max() - 0.004 < out[2]
    assert out[1] < edge[:, 1].min() + 0.001
    shut = tongue_displacements(np.array([0.0, 1.0]), np.array(0.0))
    assert not shut.any()  # no way between closed teeth


def test_tongue_out_is_a_shape_of_the_dressed_head_alone():
    number = ARKIT_NAMES.index("tongueOut")
    assert not arkit_basis(builtin_face())[number].any()
    head = dressed_pieces()[0]
    shape = arkit_basis(head)[number]
    assert np.flatnonzero(shape.any(axis=1)).min() >= dressed_spans()["tongue"].start
    assert shape[:, 2].max() > 0.015
    assert not tongue_shape(builtin_face(), "up", jaw_rad=0.1).any()


@pytest.mark.slow
def test_the_stored_dressing_is_what_the_code_builds():
    parts = make_dressing()
    points = np.concatenate([part.points for part in parts.values()])
    np.testing.assert_allclose(
        dressed_head().template[len(builtin_face().template) :], points, atol=1e-6
    )
