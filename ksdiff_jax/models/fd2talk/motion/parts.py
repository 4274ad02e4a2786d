"""The coefficients that each transformer generates.

| model.decoupled | transformer | coefficients |
|---|---|---|
| True | expression | the expression, and the jaw where a space has a moving one |
| True | pose | rotation and camera, in `bfm` rotation and translation: the paper's 64 + 6 |
| False | motion | all of these |
"""

from collections.abc import Mapping

import numpy as np

from ksdiff_jax.models.fd2talk.motion.config import ModelConfig
from ksdiff_jax.motion.space import BFM, MotionSpace, expression_columns

EXPRESSION, POSE, MOTION = "expression", "pose", "motion"
Parts = Mapping[str, tuple[int, ...]]  # numbers of a motion frame, by transformer


def generated_parts(config: ModelConfig, space: MotionSpace) -> Parts:
    """Return the numbers of a frame that each transformer generates; the jaw of `bfm`, which does
    not move, belongs to none.
    """
    face = [int(number) for number in expression_columns(space)]
    still = np.arange(space.width)[space.slice("jaw")] if space.name == BFM.name else ()
    pose = [n for n in range(space.width) if n not in face and n not in still]
    if not config.decoupled:
        return {MOTION: tuple(sorted(face + pose))}
    return {EXPRESSION: tuple(face), POSE: tuple(pose)}
