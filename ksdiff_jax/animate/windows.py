"""Windows of long speech: their positions, their initial noise, and the joining of their motions.

A clip of T frames longer than the longest window is covered by n windows of equal length,
neighbours sharing `overlap` frames. Every frame's noise is a function of its absolute index alone
(`rng.frame_noise`), so the frames that two windows share start from the same noise. Over an overlap
the motions are cross-faded with weights that sum to one,

    w(x) = sin²(π x / 2),   x from 0 to 1 across the overlap,

so the result is linear in the coefficients: head rotations are small, and two similar axis-angles
may be mixed as vectors. A frame's keyframes come from the window that owns it, which is the one
whose border is farther away. Time is linear in T, and memory is that of one window plus the result.
`sample.joint_windows` blends the windows at every step of the sampler instead (`groups.py`).
"""

import itertools
from typing import NamedTuple

import numpy as np

from ksdiff_jax.typing import Float

OVERLAP_FRAMES = 100  # 4 s, within which both windows converge


class Window(NamedTuple):
    """Motion frames [start, stop) of a clip."""

    start: int
    stop: int

    @property
    def frames(self) -> int:
        """Number of motion frames of the window."""
        return self.stop - self.start


def plan_windows(frames: int, *, longest: int, overlap: int = OVERLAP_FRAMES) -> list[Window]:
    """Return windows of at most `longest` frames that cover `frames`; neighbours share at least
    `overlap`.
    """
    if frames <= longest:
        return [Window(0, frames)]
    count = -(-(frames - overlap) // (longest - overlap))
    length = -(-(frames + (count - 1) * overlap) // count)
    starts = [i * (frames - length) // (count - 1) for i in range(count)]
    return [Window(start, start + length) for start in starts]


def only_neighbours_share(windows: list[Window]) -> bool:
    """Return whether every frame lies in two windows at most."""
    return all(left.stop <= right.start for left, right in zip(windows, windows[2:], strict=False))


def join_windows(
    parts: list[Float[np.ndarray, "_ _"]], windows: list[Window], *, frames: int
) -> Float[np.ndarray, "{frames} _"]:
    """Cross-fade motions (t, d) of the windows into one of `frames` frames."""
    joined = np.zeros((frames, parts[0].shape[1]), np.float32)
    joined[: windows[0].stop] = parts[0]
    for part, (left, right) in zip(parts[1:], itertools.pairwise(windows), strict=True):
        shared = left.stop - right.start
        position = (np.arange(shared) + 0.5) / shared
        weight = np.square(np.sin(np.pi / 2 * position)).astype(np.float32)[:, None]
        joined[right.start : left.stop] = (1 - weight) * joined[
            right.start : left.stop
        ] + weight * part[:shared]
        joined[left.stop : right.stop] = part[shared:]
    return joined


def borders_of(windows: list[Window], *, frames: int) -> list[int]:
    """Return 0, the middle of every overlap, and `frames`: where the owner of frames changes."""
    return [
        0,
        *((left.stop + right.start) // 2 for left, right in itertools.pairwise(windows)),
        frames,
    ]


def owned_frames(parts: list[np.ndarray], windows: list[Window], *, frames: int) -> np.ndarray:
    """Return per-frame values (t,), each frame's from the window that owns it."""
    borders = borders_of(windows, frames=frames)
    pieces = [
        part[begin - window.start : end - window.start]
        for part, window, begin, end in zip(parts, windows, borders, borders[1:], strict=False)
    ]
    return np.concatenate(pieces)
