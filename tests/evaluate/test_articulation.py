import dataclasses

import numpy as np
import pytest

from ksdiff_jax.evaluate.articulation import articulate, face_part
from ksdiff_jax.face import builtin_face, face_height, face_vertices, mouth_opening
from ksdiff_jax.motion.space import MOTION_DIMS


def random_motion(frames: int) -> np.ndarray:
    motion = (
        np.random.default_rng(0).normal(scale=0.2, size=(frames, MOTION_DIMS)).astype(np.float32)
    )
    motion[:, 53] = np.abs(motion[:, 53])
    return motion


@pytest.mark.parametrize("correctives", [False, True])
def test_a_part_of_the_face_moves_as_the_whole_does(correctives):
    face = builtin_face()
    if correctives:
        size = (36, len(face.template), 3)
        offsets = np.random.default_rng(1).normal(scale=0.01, size=size).astype(np.float32)
        face = dataclasses.replace(face, pose_correctives=offsets)
    motion = random_motion(7)
    shape = np.random.default_rng(2).normal(size=100).astype(np.float32)
    pose = {"jaw_pose": motion[:, 53:56], "neck_pose": motion[:, 50:53], "shape": shape}
    part = face_part(face, ("lips", "upper_face"))
    whole, cut = (np.asarray(face_vertices(f, motion[:, :50], **pose)) for f in (face, part))
    for region in ("lips", "upper_face"):
        assert cut[:, part.regions[region]] == pytest.approx(
            whole[:, face.regions[region]], abs=2e-6
        )
    assert np.asarray(mouth_opening(part, cut)) == pytest.approx(
        np.asarray(mouth_opening(face, whole)), abs=2e-6
    )
    assert face_height(part) == pytest.approx(face_height(face))


def test_head_pose_and_camera_do_not_move_the_articulation():
    part = face_part(builtin_face())
    motion = random_motion(5)
    turned = motion.copy()
    turned[:, 50:53] += 0.5
    turned[:, 56:MOTION_DIMS] += 1.0
    assert np.array_equal(articulate(part, motion).lips, articulate(part, turned).lips)


def test_clips_longer_than_a_block_are_posed_frame_by_frame_all_the_same():
    part = face_part(builtin_face())
    motion = random_motion(300)
    whole = articulate(part, motion)
    assert whole.lips.shape == (300, len(part.regions["lips"]), 3)
    assert whole.upper_face.shape == (300, 0, 3)
    assert whole.opening[256:] == pytest.approx(articulate(part, motion[256:]).opening, abs=1e-7)
