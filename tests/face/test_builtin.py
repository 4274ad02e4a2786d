"""The built-in head: a valid mesh, lips that meet, lids that close, a jaw that opens."""

import numpy as np
import pytest

from ksdiff_jax.face import builtin_face, face_height, face_vertices, mouth_opening
from ksdiff_jax.face.actions import ACTIONS, MOUTH_CLOSE_JAW_RAD, actions_to_expression
from ksdiff_jax.face.head.eyes import EYE_CENTRE, EYE_RADIUS
from ksdiff_jax.face.head.file import load_head
from ksdiff_jax.face.head.mesh import make_head

MILLIMETRE = 1e-3


@pytest.fixture(scope="module")
def face():
    return builtin_face()


@pytest.fixture(scope="module")
def head():
    return load_head()


def posed(face, actions=None, *, jaw_rad=0.0, shape=None, **poses):
    weights = np.zeros(50, np.float32)
    for name, weight in (actions or {}).items():
        weights[ACTIONS.index(name)] = weight
    jaw = np.array([jaw_rad, 0, 0], np.float32)
    return np.asarray(
        face_vertices(face, actions_to_expression(weights), jaw_pose=jaw, shape=shape, **poses)
    )


def opening_ratio(face, vertices):
    return float(mouth_opening(face, vertices)) / face_height(face)


def test_the_mesh_is_sound(face):
    assert 4000 <= len(face.template) <= 6000
    assert face.faces.min() == 0
    assert face.faces.max() == len(face.template) - 1
    corners = np.sort(face.faces, axis=1)
    assert (np.diff(corners, axis=1) > 0).all(), "a triangle names a vertex twice"
    assert len(np.unique(corners, axis=0)) == len(corners), "a triangle is there twice"
    edges = np.concatenate([face.faces[:, [0, 1]], face.faces[:, [1, 2]], face.faces[:, [2, 0]]])
    assert len(np.unique(edges, axis=0)) == len(edges), (
        "two triangles run along an edge in the same direction"
    )
    a, b, c = (face.template[face.faces[:, k]].astype(np.float64) for k in range(3))
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    assert area.min() > 0
    assert np.isin(np.arange(len(face.template)), face.faces).all(), (
        "a vertex belongs to no triangle"
    )


def test_skinning_weights_and_joint_regressor_are_averages(face):
    np.testing.assert_allclose(face.skinning_weights.sum(axis=1), 1, atol=1e-5)
    assert face.skinning_weights.min() >= -1e-6
    np.testing.assert_allclose(face.joint_regressor.sum(axis=1), 1, atol=1e-4)
    joints = face.joint_regressor @ face.template
    np.testing.assert_allclose(joints[3], EYE_CENTRE, atol=1e-4)
    np.testing.assert_allclose(joints[:3, 0], 0, atol=1e-3)


def test_lips_meet_in_neutral_and_for_random_identities(face, head):
    rng = np.random.default_rng(3)
    for shape in (np.zeros(100), *rng.normal(size=(8, 100))):
        vertices = posed(face, shape=shape.astype(np.float32))
        gap = vertices[head.mouth.upper_contact] - vertices[head.mouth.lower_contact]
        assert np.linalg.norm(gap, axis=1).max() < 0.02 * MILLIMETRE
        assert opening_ratio(face, vertices) < 0.001


def test_actions_that_leave_the_lips_together_do_so(face):
    together = ("MouthSmile", "MouthDimple", "MouthStretch", "MouthFrown", "MouthPress")
    single = (
        "MouthPucker",
        "MouthRollLower",
        "MouthRollUpper",
        "MouthShrugLower",
        "ChinRaiser",
        "CheekPuff",
    )
    for name in (
        *(f"{n}{side}" for n in together for side in ("Left", "Right")),
        *single,
        "JawLeft",
        "JawForward",
    ):
        assert opening_ratio(face, posed(face, {name: 1.0})) < 0.005, name


def test_the_opening_grows_with_the_jaw_as_measured_faces_do(face):
    angles = np.linspace(0, 0.6, 13)
    openings = [opening_ratio(face, posed(face, jaw_rad=float(a))) for a in angles]
    assert (np.diff(openings) > 0).all()
    assert 0.2 < np.interp(0.5, angles, openings) < 0.3


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 1.0])
def test_mouth_close_brings_the_lips_together_over_an_open_jaw(face, head, share):
    jaw = share * MOUTH_CLOSE_JAW_RAD
    opened, closed = posed(face, jaw_rad=jaw), posed(face, {"MouthClose": share}, jaw_rad=jaw)
    assert float(mouth_opening(face, opened)) > 2 * MILLIMETRE
    gap = closed[head.mouth.upper_contact] - closed[head.mouth.lower_contact]
    assert np.linalg.norm(gap, axis=1).max() < 0.3 * MILLIMETRE


def test_a_blink_closes_the_lids_and_spares_the_eyeball(face, head):
    lids = head.spans["left_lids"]
    edge = lids.start + head.eye.rings[1]
    columns = len(edge)
    top, bottom = edge[1 : columns // 2], edge[: columns // 2 : -1]
    for weight in (0.0, 0.25, 0.5, 0.75, 1.0):
        vertices = posed(face, {"EyeBlinkLeft": weight, "EyeBlinkRight": weight})
        seen = lids.start + head.eye.rings[1:]  # the first ring lies behind the edge
        away = np.linalg.norm(vertices[seen] - EYE_CENTRE, axis=-1)
        assert away.min() > EYE_RADIUS + 0.3 * MILLIMETRE
    assert np.linalg.norm(vertices[top] - vertices[bottom], axis=1).max() < 0.05 * MILLIMETRE
    opened = posed(face)
    assert np.linalg.norm(opened[top] - opened[bottom], axis=1).max() > 8 * MILLIMETRE


def test_closing_both_eyes_is_one_unit_of_one_coefficient():
    weights = np.zeros(50)
    weights[[ACTIONS.index("EyeBlinkLeft"), ACTIONS.index("EyeBlinkRight")]] = 1.0
    expression = actions_to_expression(weights)
    assert np.count_nonzero(np.abs(expression) > 1e-9) == 1
    assert np.linalg.norm(expression) == pytest.approx(1.0)


@pytest.mark.parametrize("name", [name for name in ACTIONS if name.endswith("Left")])
def test_right_actions_mirror_left_actions(face, name):
    right = name.replace("Left", "Right")
    moved = [posed(face, {n: 1.0}) - face.template for n in (name, right)]
    # The lowest, highest, furthest and mean displacement say enough about two fields on unordered
    # points.
    field, mirrored = moved[0], moved[1] * [-1, 1, 1]
    np.testing.assert_allclose(field.sum(axis=0), mirrored.sum(axis=0), atol=6e-3)
    np.testing.assert_allclose(field.max(axis=0), mirrored.max(axis=0), atol=1e-4)
    np.testing.assert_allclose(field.min(axis=0), mirrored.min(axis=0), atol=1e-4)
    assert np.linalg.norm(moved[0], axis=1).max() > 0.5 * MILLIMETRE


def test_head_and_regions_are_symmetric(face):
    def mirrored_distance(points):
        mirror = points * np.array([-1, 1, 1], np.float32)
        return np.array([np.linalg.norm(points - p, axis=1).min() for p in mirror])

    for name, indices in face.regions.items():
        assert len(indices) > 20, name
        assert len(np.unique(indices)) == len(indices)
        assert mirrored_distance(face.template[indices]).max() < 1e-6, name


def test_lip_tuck_brings_the_lower_lip_to_the_upper_teeth(face, head):
    vertices = posed(face, {"LipTuckLower": 1.0})
    middle = len(head.mouth.lower_contact) // 2
    lip = vertices[head.mouth.lower_contact[middle]]
    teeth = vertices[head.spans["upper_teeth"]]
    edge = teeth[np.abs(teeth[:, 0]) < 0.004]
    assert abs(lip[2] - edge[:, 2].max()) < 4 * MILLIMETRE
    assert 1.5 * MILLIMETRE < float(mouth_opening(face, vertices)) < 8 * MILLIMETRE


def test_shape_directions_are_orthogonal_and_keep_eyeballs_round(face, head):
    flat = face.shape_directions.reshape(100, -1).astype(np.float64)
    norms = np.linalg.norm(flat, axis=1)
    overlap = (flat / norms[:, None]) @ (flat / norms[:, None]).T - np.eye(100)
    assert np.abs(overlap).max() < 1e-3
    moved = face.shape_directions[:, head.spans["left_eye"]]
    assert np.abs(moved - moved[:, :1]).max() < 1e-6


def test_eyes_turn_in_place(face, head):
    gaze = np.array([0.2, 0.3, 0.0, 0.2, 0.3, 0.0], np.float32)
    turned = posed(face, eyes_pose=gaze)
    ball = head.spans["left_eye"]
    assert np.abs(turned[ball] - face.template[ball]).max() > MILLIMETRE
    np.testing.assert_allclose(
        np.linalg.norm(turned[ball] - EYE_CENTRE, axis=1),
        np.linalg.norm(face.template[ball] - EYE_CENTRE, axis=1),
        atol=1e-5,
    )
    others = np.setdiff1d(np.arange(len(turned)), np.r_[ball, head.spans["right_eye"]])
    np.testing.assert_allclose(turned[others], face.template[others], atol=1e-6)


@pytest.mark.slow
def test_the_stored_head_is_what_the_code_builds(head):
    built = make_head()
    assert built.spans == head.spans
    np.testing.assert_allclose(built.part.points, head.part.points, atol=1e-6)
