"""How KSDiff divides a motion frame over its two paths (§2.2).

`jaw_path="head"` is the paper: the expression path has the expression, the head path rotation, jaw
and camera. `jaw_path="expression"` moves the jaw to the expression path.
"""

from typing import Literal, NamedTuple

from ksdiff_jax.motion.space import MotionSpace

JawPath = Literal["head", "expression"]


class PathSplit(NamedTuple):
    """Numbers of a motion frame that each path of the model sees, in the path's own order."""

    expression: tuple[int, ...]
    head: tuple[int, ...]


def path_split(space: MotionSpace, jaw_path: JawPath) -> PathSplit:
    """The numbers of the expression path and of the head path for a placement of the jaw."""
    numbers = range(space.width)
    expression, *pose = (tuple(numbers[space.slice(part)]) for part, _ in space.parts)
    rotation, jaw, camera = pose
    if jaw_path == "head":
        return PathSplit(expression=expression, head=rotation + jaw + camera)
    return PathSplit(expression=expression + jaw, head=rotation + camera)
