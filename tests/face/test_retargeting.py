import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax import Motion
from ksdiff_jax.errors import InputError
from ksdiff_jax.face import builtin_face, face_vertices, load_face, retargeting
from ksdiff_jax.face.arkit import arkit_basis, arkit_vertices, arkit_weights
from ksdiff_jax.face.correspondence import at_source
from ksdiff_jax.face.deformation_transfer import transferred
from ksdiff_jax.motion.rotation import rotation_matrix
from ksdiff_jax.motion.space import MOTION_DIMS
from tests.face.made_faces import made_face, written

SEED = 11
LIPS_MEAN_MM, LIPS_P99_MM, FACE_MEAN_MM = 0.5, 1.5, 0.7


def talking(frames: int, seed: int, *, std: float = 1.0) -> Motion:
    """A motion with every coefficient of the built-in head moving, and an opening jaw."""
    random = np.random.default_rng(seed)
    waves = np.cumsum(random.normal(size=(frames, MOTION_DIMS)), axis=0)
    waves = (waves - waves.mean(axis=0)) / waves.std(axis=0) * std
    waves[:, 50:] *= 0.03
    waves[:, 53] = 0.06 + 0.05 * waves[:, 53] / 0.03
    return Motion.from_coefficients(np.float32(waves))


@pytest.fixture(scope="module", autouse=True)
def shared_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def made():
    return made_face(SEED, share=-0.35)


def true_error_mm(made, motion, moved):
    """Distance of the moved motion from the truth: the head's displacements at the made face's
    vertices, scaled.
    """
    head, face = builtin_face(), made.face
    shown = np.asarray(face_vertices(head, motion.exp, jaw_pose=motion.jaw_pose)) - head.template
    truth = made.scale * np.stack([made.rows @ frame for frame in shown])
    got = np.asarray(face_vertices(face, moved.exp, jaw_pose=moved.jaw_pose)) - face.template
    return 1000 * np.linalg.norm(got - truth, axis=-1)


def assert_near_truth(made, motion):
    moved = motion.on(made.face)
    away = true_error_mm(made, motion, moved)
    lips, front = made.face.regions["lips"], retargeting.front(made.face)
    assert away[:, lips].mean() <= LIPS_MEAN_MM
    assert np.percentile(away[:, lips], 99) <= LIPS_P99_MM
    assert away[:, front].mean() <= FACE_MEAN_MM
    return moved


def test_a_motion_on_another_face_is_near_the_known_truth_and_says_whose_it_is(made, tmp_path):
    motion = talking(24, seed=3, std=0.6)
    moved = assert_near_truth(made, motion)
    assert moved.space == "flame" and type(moved) is Motion
    stated = moved.meta["retargeting"]["error_mm"]
    assert stated.keys() >= {"lips", "upper_face", "eyes", "neck", "face", "whole head"}
    assert 0 < stated["lips"]["mean"] < stated["lips"]["p99"] < LIPS_P99_MM
    np.testing.assert_array_equal(moved.global_orient, motion.global_orient)
    again = Motion.load(moved.save(tmp_path / "a.motion.npz"))
    np.testing.assert_array_equal(again.vertices(face=made.face), moved.vertices(face=made.face))
    assert again.on(made.face) is again
    # The untouched coefficients on the same face would be far from the truth.
    assert true_error_mm(made, motion, motion)[:, made.face.regions["lips"]].mean() > 1.0


def test_a_face_with_the_same_mesh_gets_the_same_motion():
    head, random = builtin_face(), np.random.default_rng(5)
    mixing = np.linalg.qr(random.normal(size=(50, 50)))[0]
    mixed = np.tensordot(mixing, head.expression_directions, 1).astype(np.float32)
    twin = dataclasses.replace(head, expression_directions=mixed, space="flame", name="twin")
    motion = talking(8, seed=4)
    away = np.linalg.norm(motion.on(twin).vertices(face=twin) - motion.vertices(), axis=-1)
    moved = np.linalg.norm(motion.vertices() - head.template, axis=-1)
    assert away.mean() < 1e-5 and away.max() < 0.01 * moved.max()


def test_a_pair_is_computed_once_and_a_damaged_copy_is_replaced(made, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first = retargeting.retargeting(builtin_face(), made.face)
    (kept,) = (tmp_path / "cache" / "ksdiff-jax" / "retargeting").iterdir()

    def computed(*args):
        raise AssertionError("computed again")

    with monkeypatch.context() as patched:
        patched.setattr(retargeting, "face_correspondence", computed)
        again = retargeting.retargeting(builtin_face(), made.face)
        np.testing.assert_array_equal(again.matrix, first.matrix)
        other = dataclasses.replace(made.face, template=made.face.template * 1.001)
        with pytest.raises(AssertionError, match="computed again"):
            retargeting.retargeting(builtin_face(), other)
    kept.write_bytes(kept.read_bytes()[:1000])
    monkeypatch.setattr(retargeting, "face_correspondence", lambda *_: first.correspondence)
    mended = retargeting.retargeting(builtin_face(), made.face)
    np.testing.assert_array_equal(mended.matrix, first.matrix)
    with np.load(kept) as archive:
        np.testing.assert_array_equal(archive["matrix"], first.matrix)


def test_displacements_carried_to_a_turned_and_larger_copy_are_turned_and_larger(made):
    face = made.face
    turn = np.asarray(rotation_matrix(jnp.array([0.1, -0.2, 0.05])))
    larger = dataclasses.replace(
        face, template=(1.3 * face.template @ turn.T + [0.1, 0, 0.2]).astype(np.float32)
    )
    kept = retargeting.face_correspondence(face, larger)
    assert abs(kept.scale - 1.3) < 1e-4
    np.testing.assert_allclose(kept.rotation, turn, atol=1e-4)
    at = at_source(kept, face.faces, face.template)
    np.testing.assert_allclose(at, face.template, atol=1e-7)
    np.testing.assert_allclose(
        kept.scale * at @ kept.rotation.T + kept.place, larger.template, atol=1e-5
    )
    fields = np.asarray(face.expression_directions[:3], np.float64)
    carried = transferred(fields, kept, face, larger)
    np.testing.assert_allclose(carried, 1.3 * fields @ turn.T, atol=1e-5)


@pytest.mark.slow
def test_arkit_shapes_of_another_face_fit_its_motion(made):
    basis = arkit_basis(made.face)
    truth = made.scale * np.stack([made.rows @ shape for shape in arkit_basis(builtin_face())])
    for shape, true in zip(basis, truth, strict=True):
        if np.linalg.norm(true) > 0:
            cosine = np.sum(shape * true) / np.linalg.norm(shape) / np.linalg.norm(true)
            assert cosine > 0.9
    motion = talking(10, seed=6, std=0.4).on(made.face)
    shown = arkit_vertices(arkit_weights(motion, face=made.face), face=made.face)
    posed = face_vertices(made.face, motion.exp, jaw_pose=motion.jaw_pose)
    away = 1000 * np.linalg.norm(shown - np.asarray(posed), axis=-1)
    away = away[:, made.face.regions["lips"]]
    assert away.mean() < 0.75 and np.percentile(away, 99) < 2.0


def test_what_cannot_be_put_on_a_face_is_refused_in_one_line(made):
    zeros, face = np.zeros((2, MOTION_DIMS), np.float32), made.face
    still = Motion.from_coefficients(zeros)
    assert still.on(builtin_face()) is still
    bfm = Motion.from_coefficients(np.zeros((2, 73), np.float32), space="bfm")
    with pytest.raises(InputError, match="of the bfm space, and no face of it can be posed"):
        bfm.on(face)
    flame = Motion.from_coefficients(zeros, space="flame")
    with pytest.raises(InputError, match=r"flame space, and its face is needed.*source="):
        flame.on(builtin_face())
    moved = still.on(face)
    other = dataclasses.replace(face, template=face.template * 1.01, name="another face")
    with pytest.raises(InputError, match=r"are of the face made, .* another face is another one"):
        moved.vertices(face=other)
    with pytest.raises(InputError, match="are of the face made"):
        arkit_weights(moved, face=other)
    for change, said in (
        ({"expression_directions": 0 * face.expression_directions}, "all zero"),
        ({"regions": {**face.regions, "lips": face.regions["lips"][:0]}}, "no region lips"),
        ({"skinning_weights": face.skinning_weights[:, [0, 2, 1, 3, 4]] * [1, 1, 0, 1, 1]}, "jaw"),
    ):
        with pytest.raises(InputError, match=said):
            still.on(dataclasses.replace(face, **change))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [201, 202])
def test_faces_of_other_seeds_are_near_the_known_truth(seed, tmp_path):
    made = made_face(seed)
    face = load_face(written(made, tmp_path / "face.npz"))
    assert_near_truth(made._replace(face=face), talking(24, seed=seed, std=0.6))
