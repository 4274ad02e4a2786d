"""The distance between the lips as a linear function of expression and jaw, cheap enough for a
training loss.

The inner lips' vertical distance h of a posed face is linear in the expression coefficients. For
the few degrees of jaw rotation in speech it is nearly linear in that rotation as well:

    h(e, j)  ≈  h(0, 0)  +  e · ∂h/∂e  +  j · ∂h/∂j      metres

Expression and jaw often compensate each other (a rounded /u/ over an open jaw), so neither alone
determines whether a mouth is closed.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax.face.builtin import builtin_face
from ksdiff_jax.face.model import FaceModel, face_height, face_vertices
from ksdiff_jax.motion import space
from ksdiff_jax.typing import Array, Float

CLOSED_SHARE = 0.015  # of the face height; lips nearer than this look closed


class LipGap(NamedTuple):
    """Directions and offset of the linear map, and the gap below which lips count as closed."""

    # metres per unit of each motion dimension; head and camera are 0
    directions: Float[np.ndarray, "59"]
    offset: float  # metres at rest
    closed: float  # metres


def lip_gap(face: FaceModel) -> LipGap:
    """Linearise the vertical distance of the inner lips at the neutral face; may be called inside a
    jit trace.
    """

    def gap(motion: Float[Array, "59"]) -> Float[Array, ""]:
        vertices = face_vertices(face, motion[space.EXPRESSION], jaw_pose=motion[space.JAW])
        upper, lower = face.inner_lip_pairs[:, 0], face.inner_lip_pairs[:, 1]
        return jnp.mean(vertices[upper, 1] - vertices[lower, 1])

    with jax.ensure_compile_time_eval():
        offset, directions = jax.value_and_grad(gap)(jnp.zeros(space.MOTION_DIMS))
    return LipGap(np.asarray(directions), float(offset), CLOSED_SHARE * face_height(face))


@functools.lru_cache(maxsize=1)
def builtin_lip_gap() -> LipGap:
    """Return `lip_gap` of the built-in head."""
    return lip_gap(builtin_face())
