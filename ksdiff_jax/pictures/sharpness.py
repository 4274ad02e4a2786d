"""CPBD, the cumulative probability of blur detection (Narvekar and Karam 2009, 2011).

    P(edge is seen as blurred) = 1 − exp(−(w / w_jnb)^β),    β = 3.6
    CPBD = share of the edges with P ≤ 1 − exp(−1)

w is the width in pixels of a vertical edge (Marziliano et al. 2002): along its row, from the lowest
to the highest value of the monotonous piece that it lies in. w_jnb, the width that is just
noticeable, depends on the contrast of the block of 64 × 64 pixels: 5 up to a contrast of 50, else
3. P ≤ 1 − exp(−1) is w ≤ w_jnb, so β has no influence. Blocks in which at most 0.2 % of the pixels
are on an edge are left out. A picture without an edge, or without a block, has no CPBD.

Edges are maxima along the row of Sobel's horizontal gradient whose square is above four times its
mean, of a direction within 22.5 degrees of the row; blocks are selected by the same edges, in the
authors' program by those of Canny (R).
"""

import numpy as np
from scipy.ndimage import sobel

from ksdiff_jax.typing import Bool, Float, Shaped

BLOCK = 64  # pixels
EDGE_SHARE = 0.002  # of the pixels of a block
LOW_CONTRAST, WIDTH_AT_LOW, WIDTH_AT_HIGH = 50, 5, 3
_LUMA = (0.299, 0.587, 0.114)
_STEEPEST = np.tan(np.radians(22.5))


def cpbd(pictures: Shaped[np.ndarray, "*n y x 3"]) -> Float[np.ndarray, "*n"]:
    """Return the CPBD of every picture, 0 (blurred) to 1 (sharp); NaN where there is none."""
    grey = np.rint(np.float64(pictures) @ np.array(_LUMA))  # as a grey picture of bytes
    flat = grey.reshape(-1, *grey.shape[-2:])
    return np.array([_of_picture(one) for one in flat]).reshape(grey.shape[:-2])


def _of_picture(grey: Float[np.ndarray, "y x"]) -> float:
    edges = vertical_edges(grey)
    widths = edge_widths(grey)
    found, sharp = 0, 0
    for top in range(0, grey.shape[0] - BLOCK + 1, BLOCK):
        for left in range(0, grey.shape[1] - BLOCK + 1, BLOCK):
            block = slice(top, top + BLOCK), slice(left, left + BLOCK)
            inside = edges[block]
            if np.count_nonzero(inside) <= EDGE_SHARE * BLOCK**2:
                continue
            low = int(np.ptp(grey[block])) <= LOW_CONTRAST
            width = widths[block][inside]
            found += len(width)
            sharp += np.count_nonzero(width <= (WIDTH_AT_LOW if low else WIDTH_AT_HIGH))
    return sharp / found if found else float("nan")


def vertical_edges(grey: Float[np.ndarray, "y x"]) -> Bool[np.ndarray, "y x"]:
    """Return where the vertical edges are, one pixel wide; not at the border of the picture."""
    across, down = sobel(grey, axis=1, mode="nearest"), sobel(grey, axis=0, mode="nearest")
    strength = across**2
    padded = np.pad(strength, [(0, 0), (1, 1)])
    highest = (strength >= padded[:, :-2]) & (strength > padded[:, 2:])
    edges = highest & (strength > 4 * strength.mean()) & (abs(down) <= _STEEPEST * abs(across))
    edges[[0, -1]] = edges[:, [0, -1]] = False
    return edges


def edge_widths(grey: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "y x"]:
    """Return for every pixel the length in pixels of the piece of its row, through both neighbours,
    that rises or falls strictly as the row does at the pixel; infinite at the border.
    """
    widths = np.full(grey.shape, np.inf)
    inner = slice(1, -1)
    rises = grey[:, 2:] >= grey[:, :-2]
    for sign, where in ((1, rises), (-1, ~rises)):
        start, end = _monotonous(sign * grey)
        length = (end[:, 2:] - start[:, :-2]).astype(np.float64)
        widths[:, inner] = np.where(where, length, widths[:, inner])
    return widths


def _monotonous(grey: Float[np.ndarray, "y x"]) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns at which the strictly rising piece of every pixel starts and ends."""
    rising = np.diff(grey, axis=1) > 0
    columns = grey.shape[1]
    start = np.zeros(grey.shape, int)
    end = np.full(grey.shape, columns - 1)
    for column in range(1, columns):
        start[:, column] = np.where(rising[:, column - 1], start[:, column - 1], column)
    for column in range(columns - 2, -1, -1):
        end[:, column] = np.where(rising[:, column], end[:, column + 1], column)
    return start, end
