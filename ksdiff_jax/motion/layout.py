"""Which slice of a motion vector is what (KSDiff §2.2, §3.3).

On disk and between modules a motion frame is 59 numbers: 50 FLAME expression coefficients, then the
9-d head pose of DECA: global rotation (3, axis-angle, radians), articulation (3, axis-angle,
radians), weak-perspective camera (3: scale, tx, ty). The paper calls the articulation "neck
parameters"; in DECA's output these three numbers are the jaw, and here they are named so.

`PathSplit` says how the model divides the 59 numbers over its two paths. `jaw_path="head"` is the
paper: expression 50, head pose 9. `jaw_path="expression"` moves the jaw to the expression path:
expression 53, head pose 6.
"""

from typing import Literal, NamedTuple

import numpy as np

EXPRESSION = slice(0, 50)
ROTATION = slice(50, 53)
JAW = slice(53, 56)
CAMERA = slice(56, 59)
MOTION_DIMS = 59
EXPRESSION_DIMS = 50
SHAPE_DIMS = 100

JawPath = Literal["head", "expression"]


class PathSplit(NamedTuple):
    """Motion dimensions that each path of the model sees, in the path's own order."""

    expression: tuple[int, ...]
    head: tuple[int, ...]


def path_split(jaw_path: JawPath) -> PathSplit:
    """The dimensions of the expression path and of the head path for a placement of the jaw."""
    dims = np.arange(MOTION_DIMS)
    expression, rotation, jaw, camera = (
        tuple(map(int, dims[s])) for s in (EXPRESSION, ROTATION, JAW, CAMERA)
    )
    if jaw_path == "head":
        return PathSplit(expression=expression, head=rotation + jaw + camera)
    return PathSplit(expression=expression + jaw, head=rotation + camera)
