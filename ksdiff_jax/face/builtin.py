"""The built-in head: a stylised person made by this package's own code, in FLAME's form.

Its mesh (about 5,200 vertices) is `head.file.load_head`; `head.rig` gives joints, weights and
regions, `head.identity` the 100 shape directions, and `head.actions` the displacements D of the 50
named actions. Since expression = weights @ M (see `actions`), the expression directions are E = M⁻¹
D: then ψ · E = (w M) M⁻¹ D = w D. There are no pose correctives.
"""

import functools

import numpy as np

from ksdiff_jax.face.actions import actions_to_expression_matrix
from ksdiff_jax.face.head.actions import action_displacements
from ksdiff_jax.face.head.file import load_head
from ksdiff_jax.face.head.identity import shape_directions
from ksdiff_jax.face.head.rig import (
    height_pair,
    inner_lip_pairs,
    joint_regressor,
    regions,
    skinning_weights,
)
from ksdiff_jax.face.model import FaceModel
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.typing import Float


@functools.cache
def builtin_face() -> FaceModel:
    """The head that ships with the package; made once per process."""
    head = load_head()
    weights = skinning_weights(head)
    displacements = action_displacements(head, weights[:, 2])
    directions = np.tensordot(np.linalg.inv(actions_to_expression_matrix()), displacements, 1)
    return FaceModel(
        template=_single(head.part.points),
        shape_directions=_single(shape_directions(head.part.points)),
        expression_directions=_single(directions),
        pose_correctives=None,
        joint_regressor=_single(joint_regressor(head)),
        skinning_weights=_single(weights),
        faces=head.part.faces.astype(np.int32),
        colours=_single(head.part.colours),
        gloss=_single(head.part.gloss),
        regions=regions(head),
        inner_lip_pairs=inner_lip_pairs(head),
        height_pair=height_pair(head),
        name="built-in head",
        licence="Apache-2.0",
        space=BUILTIN.name,
    )


def _single(array: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    return np.ascontiguousarray(array, dtype=np.float32)
