"""Motions posed on a face."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax import Motion
from ksdiff_jax.animate.motion import BLOCK_FRAMES
from ksdiff_jax.errors import InputError
from ksdiff_jax.face import builtin_face, face_vertices
from ksdiff_jax.motion.space import MOTION_DIMS


def opening_and_closing(frames):
    coefficients = np.zeros((frames, MOTION_DIMS), np.float32)
    coefficients[:, 53] = 0.15 * (1 - np.cos(np.arange(frames) * 2 * np.pi / 25))
    coefficients[:, 51] = 0.1 * np.sin(np.arange(frames) / 20)
    return Motion.from_coefficients(coefficients)


def test_vertices_in_blocks_equal_vertices_at_once():
    motion = opening_and_closing(BLOCK_FRAMES + 7)
    whole = face_vertices(
        builtin_face(),
        jnp.asarray(motion.exp),
        global_orient=motion.global_orient,
        jaw_pose=motion.jaw_pose,
    )
    np.testing.assert_allclose(motion.vertices(), whole, atol=1e-6)


def test_the_mouth_opens_with_the_jaw():
    motion = opening_and_closing(50)
    opening = motion.mouth_opening()
    assert opening.shape == (50,)
    assert np.corrcoef(opening, motion.jaw_pose[:, 0])[0, 1] > 0.95
    assert 0.005 < opening.max() < 0.08


def test_turning_the_head_leaves_the_mouth_opening_alone():
    still, turned = np.zeros((3, MOTION_DIMS), np.float32), np.zeros((3, MOTION_DIMS), np.float32)
    still[:, 53] = turned[:, 53] = [0.0, 0.1, 0.2]
    turned[:, 50:53] = [0.2, -0.4, 0.1]
    openings = [Motion.from_coefficients(values).mouth_opening() for values in (still, turned)]
    np.testing.assert_allclose(*openings, atol=1e-5)


def test_a_motion_comes_back_from_its_file_as_a_motion(tmp_path):
    saved = opening_and_closing(5)
    loaded = Motion.load(saved.save(tmp_path / "a.motion.npz"))
    assert type(loaded) is Motion
    np.testing.assert_array_equal(loaded.jaw_pose, saved.jaw_pose)


def test_a_motion_is_put_on_faces_of_its_own_space_only(tmp_path):
    zeros = np.zeros((2, MOTION_DIMS), np.float32)
    flame = dataclasses.replace(builtin_face(), space="flame", name="a FLAME file")
    of_flame = Motion.from_coefficients(zeros, space="flame")
    assert of_flame.vertices(face=flame).shape[0] == 2
    unknown = Motion.from_coefficients(zeros, space="")
    for motion, face, says in (
        (of_flame, None, "of the flame space, but the face built-in head is of the"),
        (Motion.from_coefficients(zeros), flame, "builtin space, but the face a FLAME file is of"),
        (unknown, None, "of an earlier version"),
    ):
        for use in (motion.vertices, motion.mouth_opening):
            with pytest.raises(InputError, match=says):
                use(face=face)
        with pytest.raises(InputError, match=says):
            motion.render(tmp_path / "a.mp4", face=face)
    assert not list(tmp_path.iterdir())


def test_a_motion_is_shown_in_one_line():
    still = Motion.from_coefficients(np.zeros((50, MOTION_DIMS)), fps=25.0)
    assert repr(still) == "Motion(50 frames, 25 fps, 2.00 s, space builtin)"


def test_a_face_to_be_put_on_may_be_named_by_its_file(tmp_path):
    still = Motion.from_coefficients(np.zeros((5, MOTION_DIMS)), fps=25.0)
    with pytest.raises(InputError, match=r"x\.pkl: no such file"):
        still.on(str(tmp_path / "x.pkl"))
