"""A face with a topology of its own: retargeting and ARKit's shapes against ICT's."""

import numpy as np
import pytest

from ksdiff_jax.face import face_vertices
from ksdiff_jax.face.arkit import ARKIT_NAMES, arkit_basis, arkit_vertices, arkit_weights
from tests.face.ict_face import SKIN, ict_face
from tests.face.test_retargeting import talking

LEAST_COSINE = 0.7
MOVED = 0.25  # the region of a shape: what it moves by this share of its largest displacement
# Shapes whose two versions differ by more; the README lists them.
UNLIKE = {
    *("mouthPressLeft", "mouthPressRight", "eyeSquintLeft", "eyeSquintRight", "cheekPuff"),
    *("cheekSquintLeft", "cheekSquintRight", "browDownLeft", "browDownRight"),
    "browInnerUp",
    *("mouthClose", "mouthRollLower"),
}


@pytest.fixture(scope="module")
def ict(shared_data, tmp_path_factory):
    if not (shared_data / "mesh").is_dir():
        pytest.skip("needs the shared data's mesh folder")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield ict_face(shared_data / "mesh")


def cosine(a, b):
    sizes = [np.linalg.norm(x, axis=1) for x in (a, b)]
    part = np.any([size >= MOVED * size.max() for size in sizes], axis=0)
    return np.sum(a[part] * b[part]) / np.linalg.norm(a[part]) / np.linalg.norm(b[part])


@pytest.mark.long
def test_arkits_shapes_move_a_foreign_face_as_its_own_shapes_of_that_name_do(ict):
    basis = dict(zip(ARKIT_NAMES, arkit_basis(ict.face), strict=True))
    # ICT's looks move the lids and leave the balls to joints; ours turn the balls.
    compared = [name for name in ict.shapes if not name.startswith("eyeLook")]
    assert len(compared) == 43
    found = {name: cosine(basis[name][SKIN], ict.shapes[name][SKIN]) for name in compared}
    assert {name for name, value in found.items() if value < LEAST_COSINE} <= UNLIKE


@pytest.mark.long
def test_a_motion_on_a_foreign_face_is_what_was_transferred_to_it(ict):
    motion = talking(24, seed=8, std=0.4)
    moved = motion.on(ict.face)
    error = moved.meta["retargeting"]["error_mm"]
    assert error["lips"]["mean"] < 0.5 and error["lips"]["p99"] < 1.3
    assert error["face"]["mean"] < 0.35
    # The mouth opens in the same frames.
    gaps = motion.mouth_opening(), moved.mouth_opening(face=ict.face)
    assert np.corrcoef(*gaps)[0, 1] > 0.95
    weights = arkit_weights(moved, face=ict.face)
    shown = np.asarray(face_vertices(ict.face, moved.exp, jaw_pose=moved.jaw_pose))
    away = 1000 * np.linalg.norm(arkit_vertices(weights, face=ict.face) - shown, axis=-1)
    away = away[:, ict.face.regions["lips"]]
    assert away.mean() < 0.6 and np.percentile(away, 99) < 1.8
