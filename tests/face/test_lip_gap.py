"""The linear lip distance against the posed mesh."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.face import builtin_face, face_height, face_vertices, mouth_opening
from ksdiff_jax.face.actions import ACTIONS, actions_to_expression
from ksdiff_jax.face.lip_gap import CLOSED_SHARE, builtin_lip_gap
from ksdiff_jax.motion import space


def motion_of(*, jaw: float = 0.0, **actions: float) -> np.ndarray:
    weights = np.zeros(len(ACTIONS), np.float32)
    for name, weight in actions.items():
        weights[ACTIONS.index(name)] = weight
    motion = np.zeros(space.MOTION_DIMS, np.float32)
    motion[space.EXPRESSION] = actions_to_expression(weights)
    motion[space.JAW.start] = jaw
    return motion


@pytest.mark.parametrize(
    "motion",
    [
        motion_of(),
        motion_of(jaw=0.1),
        motion_of(jaw=0.25),
        motion_of(jaw=0.15, MouthFunnel=0.6),
        motion_of(jaw=0.1, MouthClose=0.5),
        motion_of(jaw=0.1, MouthPucker=0.7, LipsPart=0.3),
    ],
)
def test_the_linear_gap_is_the_opening_of_the_posed_face(motion):
    face, gap = builtin_face(), builtin_lip_gap()
    vertices = face_vertices(face, motion[space.EXPRESSION], jaw_pose=motion[space.JAW])
    opening = float(mouth_opening(face, vertices))
    # Lips that pass each other have a negative gap; their distance has no sign.
    assert abs(gap.offset + motion @ gap.directions) == pytest.approx(
        opening, abs=0.1 * opening + 0.3 * gap.closed
    )


def test_head_and_camera_leave_the_lips_alone_and_the_jaw_opens_them():
    directions = builtin_lip_gap().directions
    assert not directions[space.ROTATION].any() and not directions[space.CAMERA].any()
    assert directions[space.JAW][0] > 0.05


def test_lips_count_as_closed_below_a_share_of_the_face_height():
    assert builtin_lip_gap().closed == pytest.approx(CLOSED_SHARE * face_height(builtin_face()))


def test_the_gap_can_be_had_while_jit_traces():
    builtin_lip_gap.cache_clear()
    traced = jax.jit(lambda motion: motion @ jnp.asarray(builtin_lip_gap().directions))(
        jnp.ones(space.MOTION_DIMS)
    )
    assert float(traced) == pytest.approx(float(builtin_lip_gap().directions.sum()), rel=1e-5)
