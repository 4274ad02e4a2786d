"""The components of the built-in head: pieces of mesh with colours, and functions that stitch rings
of vertices.
"""

from typing import NamedTuple

import numpy as np

from ksdiff_jax.typing import Float, Int

# Linear-light albedos.
SKIN = (0.60, 0.37, 0.275)
LIP = (0.49, 0.19, 0.165)
INSIDE = (0.050, 0.010, 0.010)
TOOTH = (0.74, 0.68, 0.56)
GUM = (0.38, 0.12, 0.12)
TONGUE = (0.40, 0.13, 0.13)
HAIR = (0.050, 0.030, 0.020)
EYE_WHITE = (0.72, 0.70, 0.68)
IRIS = (0.075, 0.125, 0.145)
IRIS_EDGE = (0.025, 0.040, 0.050)
PUPIL = (0.004, 0.004, 0.005)


class Part(NamedTuple):
    """A piece of mesh.

    `side` is +1 on the upper lip and the vertices that move with it, -1 on the lower, 0 elsewhere.
    """

    points: Float[np.ndarray, "n 3"]  # metres
    faces: Int[np.ndarray, "m 3"]
    colours: Float[np.ndarray, "n 3"]
    gloss: Float[np.ndarray, "n"]
    side: Int[np.ndarray, "n"]


def ring_faces(inner: Int[np.ndarray, "k"], outer: Int[np.ndarray, "k"]) -> Int[np.ndarray, "_ 3"]:
    """Return the triangles between two closed rings of equal length; counter-clockwise rings face
    the viewer.
    """
    inner_next, outer_next = np.roll(inner, -1), np.roll(outer, -1)
    return np.concatenate(
        [np.stack([inner, outer, outer_next], 1), np.stack([inner, outer_next, inner_next], 1)]
    )


def strip_faces(a: Int[np.ndarray, "k"], b: Int[np.ndarray, "k"]) -> Int[np.ndarray, "_ 3"]:
    """Return the triangles between two open rows of equal length."""
    return np.concatenate(
        [np.stack([a[:-1], b[:-1], b[1:]], 1), np.stack([a[:-1], b[1:], a[1:]], 1)]
    )


def cap_faces(ring: Int[np.ndarray, "k"], middle: int) -> Int[np.ndarray, "k 3"]:
    """Return a fan that closes a ring with one vertex."""
    return np.stack([np.full(len(ring), middle), ring, np.roll(ring, -1)], 1)


def drop_flat(faces: Int[np.ndarray, "n 3"]) -> Int[np.ndarray, "_ 3"]:
    """Remove triangles that contain a vertex twice."""
    a, b, c = faces.T
    return faces[(a != b) & (b != c) & (c != a)]


def mirrored(part: Part) -> Part:
    """Return the same piece on the other side of the head."""
    return part._replace(points=part.points * [-1, 1, 1], faces=part.faces[:, ::-1])


def joined(parts: list[Part]) -> Part:
    """Return several pieces as one."""
    offsets = np.cumsum([0, *(len(part.points) for part in parts)])
    faces = [part.faces + offset for part, offset in zip(parts, offsets, strict=False)]
    return Part(
        points=np.concatenate([part.points for part in parts]),
        faces=np.concatenate(faces),
        colours=np.concatenate([part.colours for part in parts]),
        gloss=np.concatenate([part.gloss for part in parts]),
        side=np.concatenate([part.side for part in parts]),
    )


def painted(points, faces, colour, *, gloss: float, side: int = 0) -> Part:
    """Return a piece of one colour."""
    count = len(points)
    colours = np.broadcast_to(np.asarray(colour, float), (count, 3)).copy()
    return Part(
        points, drop_flat(np.asarray(faces)), colours, np.full(count, gloss), np.full(count, side)
    )


def smoothstep(x: Float[np.ndarray, "*n"] | float) -> Float[np.ndarray, "*n"]:
    """Return 0 below 0, 1 above 1 and a smooth transition between; a number also gives an array."""
    x = np.asarray(np.clip(x, 0.0, 1.0))
    return np.asarray(x * x * (3 - 2 * x))


def inside_polygon(
    points: Float[np.ndarray, "n 2"], polygon: Float[np.ndarray, "k 2"]
) -> np.ndarray:
    """Test which points lie inside a polygon (even-odd rule)."""
    inside = np.zeros(len(points), bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        between = (y0 > points[:, 1]) != (y1 > points[:, 1])
        crossing = x0 + (points[:, 1] - y0) * (x1 - x0) / np.where(y1 == y0, 1e-12, y1 - y0)
        inside ^= between & (points[:, 0] < crossing)
    return inside
