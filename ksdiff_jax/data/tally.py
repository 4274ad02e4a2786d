"""Statistics collected while clips are written, in one pass with constant memory.

Per split: speakers, hours per language, and the lengths of the clips. Of the split that determines
the statistics: mean and standard deviation of every motion dimension, and the rate of keyframes
(KSDiff §2.2, with the paper's smoothing and threshold), for expression and for head.
"""

from collections import Counter

import jax
import numpy as np

from ksdiff_jax.data.schema import Clip
from ksdiff_jax.motion.keyframes import keyframe_targets
from ksdiff_jax.motion.space import BFM
from ksdiff_jax.typing import Float

# A number that never moves in the training split (a fixed camera) is stored with deviation 1; the
# lower bound for the others is the space's (motion/space.py).
SMALLEST_STD = 1e-6
# Lower edges in seconds of the bins of the length histogram.
LENGTH_BINS_S = (0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 60)
KEYFRAME_BUCKET_FRAMES = 128

_keyframes = jax.jit(keyframe_targets)


def motion_of_clip(clip: Clip) -> Float[np.ndarray, "t m"]:
    """Return the motion of a clip in the order of motion/space.py: expression, rotation, jaw,
    camera.
    """
    return np.concatenate([clip.expression, clip.rotation, clip.jaw, clip.camera], axis=-1)


class SplitTally:
    """Counts over the clips of one split."""

    def __init__(self):
        self.clips, self.seconds = 0, 0.0
        self.speakers: set[str] = set()
        self.language_s: Counter[str] = Counter()
        self.lengths: Counter[int] = Counter()  # by lower edge of the bin

    def add(self, clip: Clip) -> None:
        """Count one clip."""
        self.clips += 1
        self.seconds += clip.duration_s
        self.speakers.add(clip.speaker_id)
        self.language_s[clip.language or "unknown"] += clip.duration_s
        self.lengths[max(edge for edge in LENGTH_BINS_S if edge <= clip.duration_s)] += 1


class MotionTally:
    """Running count, mean and sum of squared deviations per dimension (Chan et al., 1979), and
    keyframes; float64.
    """

    def __init__(self):
        self.count, self.mean, self.squares = 0, np.zeros(()), np.zeros(())
        self.keyframes, self.keyframe_s = np.zeros(2), 0.0

    def add(self, clip: Clip) -> None:
        """Add the motion of one clip."""
        motion = motion_of_clip(clip).astype(np.float64)
        count, mean = len(motion), motion.mean(axis=0)
        total, delta = self.count + count, mean - self.mean
        self.squares = (
            self.squares
            + ((motion - mean) ** 2).sum(axis=0)
            + delta**2 * self.count * count / total
        )
        self.mean = self.mean + delta * count / total
        self.count = total
        if clip.space != BFM.name:
            self.keyframes += keyframe_counts(motion)
            self.keyframe_s += clip.duration_s

    def moments(self) -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]:
        """Return mean and standard deviation; a constant dimension has deviation 1."""
        std = np.sqrt(self.squares / max(1, self.count))
        return self.mean, np.where(std < SMALLEST_STD, 1.0, std)

    def keyframes_per_s(self) -> dict[str, float] | None:
        """Return the rates of expression and head; None if nothing was counted."""
        if not self.keyframe_s:
            return None
        expression, head = (self.keyframes / self.keyframe_s).tolist()
        return {"expression": expression, "head": head}


def keyframe_counts(motion: Float[np.ndarray, "t 59"]) -> Float[np.ndarray, "2"]:
    """Return the numbers of keyframes of expression and head in one clip."""
    padding = -len(motion) % KEYFRAME_BUCKET_FRAMES
    mask = np.arange(len(motion) + padding) < len(motion)
    padded = np.pad(motion.astype(np.float32), [(0, padding), (0, 0)])
    return np.array([np.sum(hits) for hits in _keyframes(padded[None], mask[None])], float)
