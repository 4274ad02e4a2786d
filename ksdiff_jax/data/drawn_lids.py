"""Clips whose lids are drawn anew from the blinks of the built-in corpus.

The lids of tracked faces are no example of blinking. Of seven people of GRID the median weight of
EyeBlink was 0.13 to 0.44, by person, where the built-in head has 0, and it wandered. A small model
that learned them closed 39 % of its blinks. With the lids left out of the losses of these clips it
had a median weight of 0.4 on their speech, where nothing held the lids then.

The blinks of the corpus are random and independent of the speech (`corpus/expression_motion.py`).
They can therefore replace those of any clip: the seven expression coefficients of the groups
"blink" and "lids", which move nothing else. Brows, cheeks and mouth stay as they were tracked.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ksdiff_jax.data.corpus.expression_motion import lids_actions
from ksdiff_jax.data.description import DatasetInfo
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.tally import SMALLEST_STD
from ksdiff_jax.face.actions import actions_to_expression, coefficients_of

_LIDS = "blink", "lids"
_LIDS_CLIPS, _CLIP_FRAMES = 200, 200  # for the statistics: 27 minutes


@dataclass(frozen=True)
class DrawnLids(Sequence[Clip]):
    """The clips of a sequence with drawn lids; those of item i depend on the seed and i alone, so
    that a clip which returns in every epoch has other blinks each time.
    """

    clips: Sequence[Clip]
    seed: int

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, number: int) -> Clip:
        return with_drawn_lids(self.clips[number], np.random.default_rng([self.seed, number]))


def with_drawn_lids(clip: Clip, rng: np.random.Generator) -> Clip:
    """Return a clip of the built-in head with lids as those of a clip of the corpus."""
    lids = list(coefficients_of(*_LIDS))
    expression = clip.expression.copy()
    expression[:, lids] = actions_to_expression(lids_actions(rng, frames=clip.frames))[:, lids]
    return replace(clip, expression=expression)


@functools.cache
def _moments() -> tuple[list[int], np.ndarray, np.ndarray]:
    """Return the coefficients of lids, and mean and deviation of drawn ones."""
    lids, rng = list(coefficients_of(*_LIDS)), np.random.default_rng(0)
    actions = [lids_actions(rng, frames=_CLIP_FRAMES) for _ in range(_LIDS_CLIPS)]
    drawn = actions_to_expression(np.concatenate(actions))[:, lids]
    return lids, drawn.mean(axis=0), drawn.std(axis=0)


def with_lids_statistics(info: DatasetInfo) -> DatasetInfo:
    """Return the description of a data set with the mean and deviation that its motion has once its
    lids are drawn.
    """
    lids, of_mean, of_std = _moments()
    mean, std = np.array(info.mean), np.array(info.std)
    mean[lids], std[lids] = of_mean, np.where(of_std < SMALLEST_STD, 1.0, of_std)
    return replace(info, mean=tuple(mean.tolist()), std=tuple(std.tolist()))
