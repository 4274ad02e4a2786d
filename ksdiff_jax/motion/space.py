"""Motion spaces: the numbers in a motion frame, and the face model that they refer to.

| name | expression directions of | expression | rotation | jaw | last three |
|---|---|---|---|---|---|
| builtin | the built-in head (`face/head/`) | 50 | 3 | 3 | camera 3 |
| flame | FLAME (Li et al. 2017) | 50 | 3 | 3 | camera 3 |
| bfm | the Basel face model, as Deep3D writes it | 64 | 3 | 3, all zero | translation 3 |

A frame is one vector (m,), the parts in this order. Rotations are axis-angle vectors in radians.
The camera is weak-perspective: scale, tx, ty. KSDiff (§2.2, §3.3) calls the nine numbers after the
expression the head pose and its middle three "neck parameters"; in DECA's output those three are
the jaw, and this package names them so.

`builtin` and `flame` have the same parts but are two spaces: coefficient 7 of one moves the face
differently than coefficient 7 of the other. Data sets, motion files and checkpoints store the name
of their space. Where the space matters, another one is refused.

This package uses these terms:

| term | meaning |
|---|---|
| space | the name, the parts and, of a data set or checkpoint, mean and deviation of each number |
| part | a named run of numbers of a frame: expression, rotation, jaw, camera or translation |
| coefficients | the numbers of a frame, not normalised |
| normalised motion | (x − mean) / max(std, `STD_FLOOR`), per number; the input of the diffusion |
| face | a `FaceModel`, which poses the coefficients of one space |
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax
import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import AnyArray, Float, Int

# A lower bound, so that a number that (almost) never moves in the training split is not divided by
# (almost) zero.
STD_FLOOR = 1e-3
SHAPE_DIMS = 100  # identity coefficients of a face; constant over a clip, so not part of a frame


@jax.tree_util.register_static
@dataclass(frozen=True)
class MotionSpace:
    """One motion space; hashable, and static under JAX tracing.

    `mean` and `std` are empty or have one value for each number of a frame. If they are empty,
    `normalise` and `denormalise` return their input.
    """

    name: str  # "builtin", "flame" or "bfm"; "" if a file of an earlier version does not state it
    parts: tuple[tuple[str, int], ...]  # (name, width), in the order of a frame
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self):
        for field in ("mean", "std"):
            if len(getattr(self, field)) not in (0, self.width):
                raise InputError(
                    f"motion space {self.name}: {field} has {len(getattr(self, field))} numbers, "
                    f"need {self.width} or none"
                )

    @property
    def width(self) -> int:
        """Return the number of values in a frame, m."""
        return sum(width for _, width in self.parts)

    def slice(self, part: str) -> slice:
        """Return the slice of a part in a frame; raise `KeyError` for a part that this space does
        not have.
        """
        start = 0
        for name, width in self.parts:
            if name == part:
                return slice(start, start + width)
            start += width
        raise KeyError(f"motion space {self.name} has no part {part!r}")

    def with_statistics(
        self,
        mean: Float[AnyArray, "m"] | Sequence[float],
        std: Float[AnyArray, "m"] | Sequence[float],
    ) -> "MotionSpace":
        """Return the same space with mean and deviation per number, rounded to float32."""
        rounded = (tuple(np.asarray(values, np.float32).tolist()) for values in (mean, std))
        return replace(self, **dict(zip(("mean", "std"), rounded, strict=True)))

    def normalise(self, motion: Float[AnyArray, "*b m"]) -> Float[AnyArray, "*b m"]:
        """Return motion with mean 0 and deviation 1 in every number that moves in the training
        split.
        """
        return (motion - self._shift()) / self._scale() if self.mean else motion

    def denormalise(self, motion: Float[AnyArray, "*b m"]) -> Float[AnyArray, "*b m"]:
        """Return the inverse of `normalise`."""
        return motion * self._scale() + self._shift() if self.mean else motion

    def _shift(self) -> Float[np.ndarray, "m"]:
        return np.array(self.mean, np.float32)

    def _scale(self) -> Float[np.ndarray, "m"]:
        return np.maximum(np.array(self.std, np.float32), np.float32(STD_FLOOR))


_HEAD_POSE = (("rotation", 3), ("jaw", 3))
BUILTIN = MotionSpace("builtin", (("expression", 50), *_HEAD_POSE, ("camera", 3)))
FLAME = MotionSpace("flame", BUILTIN.parts)
BFM = MotionSpace("bfm", (("expression", 64), *_HEAD_POSE, ("translation", 3)))
SPACES = {space.name: space for space in (BUILTIN, FLAME, BFM)}

# The same for `builtin` and `flame`.
EXPRESSION, ROTATION, JAW, CAMERA = (BUILTIN.slice(part) for part, _ in BUILTIN.parts)
MOTION_DIMS = BUILTIN.width
EXPRESSION_DIMS = EXPRESSION.stop


def expression_columns(space: MotionSpace) -> Int[np.ndarray, "k"]:
    """Return the numbers of a frame that move the face without the head: the expression, and after
    it the jaw, which does not move in `bfm`.
    """
    parts = ("expression",) if space.name == BFM.name else ("expression", "jaw")
    return np.concatenate([np.arange(space.width)[space.slice(part)] for part in parts])
