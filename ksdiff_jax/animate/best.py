"""The best of several samples of one recording, by a stated score.

The score of a motion is the mean of log p over the windows of one second of the recording, with p
the probability of the lip-sync model that ships (`models/sync/expert.py`) that speech and mouth are
in sync. A recording longer than `LONGEST_FRAMES` is scored in pieces, which count by their lengths.
The score reads the mouth only: heads do not count. Where the lips have no noise of their own
(`lip_temperature` 0), samples of a recording hardly differ in it.
"""

import functools

import jax
import numpy as np

from ksdiff_jax.animate.windows import plan_windows
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.sync.expert import load_expert, sync_loss
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.speech.utterance import Utterance, cut_utterance, pad_utterance, stack_rows
from ksdiff_jax.typing import Float

EXPERT = "sync"  # a shipped checkpoint
SCORE = "mean log probability of being in sync"
LONGEST_FRAMES, _STEP_FRAMES = 1024, 256
_loss = jax.jit(sync_loss, static_argnames="system")


def check_count(count: int, *, wanted: int = 1, space: str) -> None:
    """Raise `InputError` unless the best `wanted` of `count` samples of this space can be found."""
    if count < max(wanted, 1):
        raise InputError(f"best of {count} samples: need at least {max(wanted, 1)}")
    if space != BUILTIN.name:
        raise InputError(
            f"best of {count}: the lip-sync model that scores them is of the built-in head, the "
            f"motion is of the {space} space; take the samples and choose by hand"
        )


@functools.cache
def _expert():
    return load_expert(EXPERT, space=BUILTIN.name)


def sync_score(utterance: Utterance, motion: Float[np.ndarray, "t m"]) -> float:
    """Return the score of a motion (t, 59) of the built-in head for its speech."""
    expert = _expert()
    bare = utterance._replace(features=None, keyframes=None, held=None)
    scores, lengths = [], []
    for window in plan_windows(utterance.frames, longest=LONGEST_FRAMES, overlap=0):
        frames = min(-(-window.frames // _STEP_FRAMES) * _STEP_FRAMES, LONGEST_FRAMES)
        speech = stack_rows([pad_utterance(cut_utterance(bare, *window), frames)])
        part = np.zeros((1, frames, motion.shape[1]), np.float32)
        part[0, : window.frames] = motion[slice(*window)]
        loss = _loss(expert.params, speech, part, speech.mask, system=expert.system)
        scores.append(-float(loss[0]))
        lengths.append(window.frames)
    return float(np.average(scores, weights=lengths))
