"""The division of a motion frame over the two paths of KSDiff (§2.2).

`jaw_path="head"` is the paper's: the expression path has the expression, the head path has
rotation, jaw and camera. `jaw_path="expression"` moves the jaw to the expression path.
"""

from typing import Literal, NamedTuple

from ksdiff_jax.motion.space import MotionSpace

JawPath = Literal["head", "expression"]


class PathSplit(NamedTuple):
    """Indices of the numbers of a motion frame on each path of the model, in the order of the
    path.
    """

    expression: tuple[int, ...]
    head: tuple[int, ...]


def path_split(space: MotionSpace, jaw_path: JawPath) -> PathSplit:
    """Return the indices of the expression path and of the head path for a placement of the jaw."""
    numbers = range(space.width)
    expression, *pose = (tuple(numbers[space.slice(part)]) for part, _ in space.parts)
    rotation, jaw, camera = pose
    if jaw_path == "head":
        return PathSplit(expression=expression, head=rotation + jaw + camera)
    return PathSplit(expression=expression + jaw, head=rotation + camera)
