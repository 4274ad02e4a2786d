"""The distance of two openings of a mouth if small differences of time are forgiven: dynamic time
warping (Sakoe and Chiba, 1978, their symmetric form).

    G(0, 0) = 2 d(0, 0),   d(i, j) = |a_i − b_j|
    G(i, j) = min(G(i − 1, j) + d(i, j), G(i − 1, j − 1) + 2 d(i, j), G(i, j − 1) + d(i, j))
    D(a, b) = G(n − 1, m − 1) / (n + m)

in the unit of the series (for an opening: face heights, or metres). The weights of all steps of a
path add up to n + m, so D is a mean distance of matched frames, whatever the path. With
`reach_frames` only |i − j| ≤ reach is allowed: Sakoe and Chiba's window. Without it a mouth may be
warped by seconds, which brings any two closer.
"""

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.valid_frames import Mask, valid
from ksdiff_jax.typing import Float


def warped_distance(
    a: Float[np.ndarray, "n"],
    b: Float[np.ndarray, "m"],
    *,
    reach_frames: int | None = None,
    mask: Mask = None,
) -> float:
    """Return D(a, b), NaN for an empty series; with a mask both have its length.

    Raise `InputError` if the lengths differ by more than `reach_frames`.
    """
    a, b = (np.asarray(each, np.float64) for each in valid(mask, a, b))
    n, m = len(a), len(b)
    if not n or not m:
        return float("nan")
    if reach_frames is not None and abs(n - m) > reach_frames:
        raise InputError(
            f"warped distance: series of {n} and {m} frames; a window of {reach_frames} frames "
            "needs lengths that differ by no more; cut the longer one, or widen the window"
        )
    # G along anti-diagonals s = i + j: G(i, s − i) is at index i + 1 of a row of n + 1
    before, last = np.full(n + 1, np.inf), np.full(n + 1, np.inf)
    for s in range(n + m - 1):
        i = np.arange(max(0, s - m + 1), min(n - 1, s) + 1)
        if reach_frames is not None:
            i = i[np.abs(2 * i - s) <= reach_frames]
        distance = np.abs(a[i] - b[s - i])
        straight = np.minimum(last[i], last[i + 1]) + distance
        row = np.full(n + 1, np.inf)
        row[i + 1] = np.minimum(straight, before[i] + 2 * distance) if s else 2 * distance
        before, last = last, row
    return float(last[n] / (n + m))
