"""The head that stored motions, shape coefficients and trained models refer to.

A change of these values gives every stored motion another meaning. It needs a new version of the
space `builtin`.
"""

import hashlib

import numpy as np

from ksdiff_jax.face import builtin_face
from ksdiff_jax.face.actions import actions_to_expression_matrix
from ksdiff_jax.face.head.file import STORED, load_head
from ksdiff_jax.face.landmarks import builtin_landmarks

DIGEST = "657cbc03f9c7b01abf1de22a4ac6cd27373ea5786a1b9b164c30831a3e16ffb1"
# Sums with weights cos(k · index), k = 0, 1, 2, of the arrays that are computed from the stored
# ones, rounded differently on each machine.
SUMS = {
    "template": (204.04809883, -0.61696208, 4.04549918),
    "expression": (0.34762470, 0.00848417, 0.12978511),
    "shape": (0.63562866, -0.01575819, -0.02373837),
    "joints": (-0.12660001, -0.05492429, 0.04305538),
    "weights": (5438.00000050, 0.79374086, -1.60041541),
}
ROUNDING_M = 2e-6


def test_the_stored_head_actions_and_landmarks_are_unchanged():
    """Colours and gloss may change: they are only seen."""
    digest = hashlib.sha256()
    with np.load(STORED, allow_pickle=False) as stored:
        for name in sorted(set(stored.files) - {"colours", "gloss"}):
            digest.update(name.encode() + np.ascontiguousarray(stored[name]).tobytes())
    digest.update(actions_to_expression_matrix().tobytes())
    for values in builtin_landmarks():
        digest.update(np.ascontiguousarray(values).tobytes())
    assert digest.hexdigest() == DIGEST


def test_the_directions_the_joints_and_the_skin_are_unchanged():
    face, spans = builtin_face(), load_head().spans
    skin = np.ones(len(face.template), bool)
    skin[spans["lower_teeth"]] = False  # seated on a slope
    arrays = {
        "template": face.template[skin],
        "expression": face.expression_directions,
        "shape": face.shape_directions,
        "joints": face.joint_regressor @ face.template,
        "weights": face.skinning_weights,
    }
    for name, values in arrays.items():
        flat = values.ravel().astype(np.float64)
        sums = [float(flat @ np.cos(k * np.arange(len(flat)))) for k in range(3)]
        np.testing.assert_allclose(sums, SUMS[name], atol=ROUNDING_M, rtol=1e-7, err_msg=name)
