"""Motion by retrieval: for every piece of a sound, the motion of the most similar training sound.

A piece is the 2 r + 1 = 11 frames (0.44 s) of one row of `speech_rows.mel_rows`: log-mel of a frame
with its r = 5 neighbours on both sides. Pieces follow each other every `HOP` = 6 frames. For each,
the training frame with the least Euclidean distance between rows is searched, and the 11 frames of
motion around it are copied. Overlapping pieces are mixed with the weights of a triangle, so the
motion has no jumps. It is a common baseline (Ng et al., Learning to Listen, 2022, take whole
segments); length, hop and mixing are ours.
"""

from collections.abc import Sequence

import numpy as np

from ksdiff_jax.evaluate.speech_rows import MEL_REACH
from ksdiff_jax.typing import Float

HOP = 6
_AROUND = np.arange(-MEL_REACH, MEL_REACH + 1)
_WEIGHTS = MEL_REACH + 1.0 - np.abs(_AROUND)  # a triangle, above zero at its ends


def nearest_motion(
    rows: Sequence[Float[np.ndarray, "_ d"]],
    known_rows: Sequence[Float[np.ndarray, "_ d"]],
    known_motions: Sequence[Float[np.ndarray, "_ m"]],
) -> list[Float[np.ndarray, "_ m"]]:
    """Return a motion for the rows of every clip, from training clips of known motion."""
    known, motion = np.concatenate(known_rows), np.concatenate(known_motions)
    lengths = np.array([len(each) for each in known_rows])
    first = np.repeat(np.cumsum(lengths) - lengths, lengths)
    last = first + np.repeat(lengths, lengths) - 1
    half_squares = np.sum(known.astype(np.float64) ** 2, axis=1) / 2
    found = []
    for own in rows:
        centres = np.arange(0, len(own) + HOP - 1, HOP).clip(max=len(own) - 1)
        # |a − b|² = |a|² + 2 (|b|²/2 − a·b)
        nearest = np.argmin(half_squares - own[centres] @ known.T, axis=1)
        # frames before the beginning or after the end of the training clip repeat its first or last
        source = (nearest[:, None] + _AROUND).clip(first[nearest, None], last[nearest, None])
        found.append(_mixed(motion[source], centres, frames=len(own)))
    return found


def _mixed(
    pieces: Float[np.ndarray, "n w m"], centres: np.ndarray, *, frames: int
) -> Float[np.ndarray, "t m"]:
    """Return the weighted mean of the pieces around their centres."""
    total, weight = np.zeros((frames, pieces.shape[-1])), np.zeros(frames)
    for piece, centre in zip(pieces, centres, strict=True):
        place = centre + _AROUND
        inside = (place >= 0) & (place < frames)
        total[place[inside]] += _WEIGHTS[inside, None] * piece[inside]
        weight[place[inside]] += _WEIGHTS[inside]
    return (total / weight[:, None]).astype(np.float32)
