"""The eyes of the built-in head: eyeballs, and lids that slide over them.

All parts are made for the left eye (x > 0) and mirrored. Lid vertices form closed rings: the first
touches the eyeball, the second is the edge of the lid, and skin rings continue out to the socket. A
column has a position q along the opening, from the nose (-1) to the temple (+1). Lids move by an
angle: `lid_positions` rotates every lid vertex about the eye's horizontal axis by a share of its
edge's angle. The vertices move on a sphere a little larger than the eyeball, so a lid never
intersects the eye.
"""

from typing import NamedTuple

import numpy as np

from ksdiff_jax.face.head.parts import (
    EYE_WHITE,
    IRIS,
    IRIS_EDGE,
    PUPIL,
    SKIN,
    Part,
    cap_faces,
    painted,
    ring_faces,
    smoothstep,
)
from ksdiff_jax.face.head.surface import surface_in_front
from ksdiff_jax.typing import Float, Int

EYE_CENTRE = np.array([0.0320, 0.0300, 0.0622])
EYE_RADIUS = 0.0142
LID_RADIUS = EYE_RADIUS + 0.0013
_COLUMNS = 15
_NASAL, _TEMPORAL = -0.0134, 0.0138  # x of the corners from the eye's centre
_RINGS = np.array([0.0, 0.0, 0.0014, 0.0030, 0.0048, 0.0070, 0.0096])
_FOLD = 0.0085  # distance from the edge at which a lid no longer moves


class Eye(NamedTuple):
    """The lids of the left eye: rings of equal length, and the position of each column."""

    part: Part
    rings: Int[np.ndarray, "r k"]
    outer_ring: Int[np.ndarray, "k"]
    column: Float[np.ndarray, "k"]  # q of each column
    upper: Float[np.ndarray, "k"]  # 1 on the upper lid, 0 on the lower, 0.5 at the corners


def make_lids() -> Eye:
    """Build the lids of the left eye and the skin rings around them."""
    q = np.cos(np.linspace(0, np.pi, _COLUMNS)) * 0.6 + np.linspace(1, -1, _COLUMNS) * 0.4
    # temple to nose along the top, and back along the bottom
    q = np.concatenate([q, q[::-1][1:-1]])
    upper = np.concatenate([[0.5], np.ones(_COLUMNS - 2), [0.5], np.zeros(_COLUMNS - 2)])
    x, edge_y = _opening(q), _edge_heights(q, upper)
    angle = np.arctan2(edge_y / 0.0085, x / 0.0128)
    outwards = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rings = []
    for k, distance in enumerate(_RINGS):
        local = np.stack([x, edge_y], axis=1) + distance * outwards
        radius = EYE_RADIUS + 0.0002 if k == 0 else LID_RADIUS
        depth = np.sqrt(np.maximum(radius**2 - np.sum(local**2, axis=1), 0.0045**2))
        on_ball = EYE_CENTRE + np.concatenate([local, depth[:, None]], axis=1)
        on_face = surface_in_front(on_ball[:, :2])
        blend = smoothstep((distance - 0.0020) / 0.0066)
        fold = (
            0.0011
            * np.exp(-(((distance - 0.0052) / 0.0014) ** 2))
            * np.where(upper > 0.5, 1 - q**4, 0.2)
        )
        ring = on_ball + blend * (on_face - on_ball)
        ring[:, 2] -= fold
        rings.append(ring)
    count = len(q)
    index = np.arange(len(_RINGS) * count).reshape(-1, count)
    faces = np.concatenate([ring_faces(index[k], index[k + 1]) for k in range(len(_RINGS) - 1)])
    part = painted(np.concatenate(rings), faces, SKIN, gloss=0.22)
    colours = part.colours
    colours[index[0]] = np.multiply(SKIN, (0.62, 0.42, 0.40))
    # A darker edge on the upper lid represents the lashes.
    lash = (upper * 0.85 + (1 - upper) * 0.35)[:, None]
    colours[index[1]] = np.array(SKIN) * (1 - lash) + np.array((0.03, 0.02, 0.018)) * lash
    return Eye(part, index, index[-1], q, upper)


def lid_positions(
    eye: Eye, points: Float[np.ndarray, "n 3"], *, upper: float, lower: float
) -> Float[np.ndarray, "n 3"]:
    """Return the positions of lid vertices when the edges move by a share of the way to the closing
    line.

    `upper` and `lower` are 0 at rest and 1 when closed; negative values open wider. Points are the
    lids' own, left eye.
    """
    edge = eye.rings[1]
    local = points - EYE_CENTRE
    turn = np.arctan2(local[:, 1], local[:, 2])
    closing_y = 0.82 * _edge_heights(eye.column, np.zeros_like(eye.upper)) + 0.18 * _edge_heights(
        eye.column, np.ones_like(eye.upper)
    )
    width = np.maximum(LID_RADIUS**2 - local[edge, 0] ** 2, 0.004**2)
    closing = np.arcsin(np.clip(closing_y / np.sqrt(width), -0.9, 0.9))
    travel = np.where(eye.upper > 0.5, upper, lower) * (eye.upper != 0.5)
    moved = points.copy()
    for k, ring in enumerate(eye.rings):
        share = (1.0 - smoothstep(_RINGS[k] / _FOLD)) * np.ones(len(ring))
        if _RINGS[k] > 0:
            # Skin beside or behind the ball does not move.
            share *= smoothstep((0.0180 - np.abs(local[ring, 0])) / 0.0080) * smoothstep(
                local[ring, 2] / 0.0060
            )
        angle = turn[ring] + travel * share * (closing - turn[edge])
        radius = np.hypot(local[ring, 1], local[ring, 2])
        floor = np.sqrt(
            np.maximum(
                (LID_RADIUS if k else EYE_RADIUS + 0.0004) ** 2 - local[ring, 0] ** 2, 0.004**2
            )
        )
        # In front of the ball a lid lies on it. Beside the opening it may only be pushed outwards,
        # because no ball supports it.
        over = smoothstep((0.0120 - np.abs(local[ring, 0])) / 0.0040)
        pull = np.clip(np.abs(travel), 0, 1) * share**0.5
        radius = radius + pull * np.where(floor < radius, over, 1.0) * (floor - radius)
        moved[ring, 1] = EYE_CENTRE[1] + radius * np.sin(angle)
        moved[ring, 2] = EYE_CENTRE[2] + radius * np.cos(angle)
        still = travel == 0
        moved[ring[still]] = points[ring[still]]
    return moved


def make_eyeball() -> Part:
    """Return a ball with white, iris and pupil as vertex colours; its pole points along +z."""
    degrees = np.array([7.0, 11.0, 12.5, 18.0, 24.0, 27.5, 29.5, 38.0, 52.0, 70.0, 92.0, 120.0])
    columns = 18
    around = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    polar = np.deg2rad(degrees)
    cornea = 0.0005 * np.clip(1 - (degrees / 30) ** 2, 0, 1)
    radius = EYE_RADIUS + cornea
    x = (radius * np.sin(polar))[:, None] * np.cos(around)
    y = (radius * np.sin(polar))[:, None] * np.sin(around)
    z = np.broadcast_to((radius * np.cos(polar))[:, None], x.shape)
    points = np.stack([x, y, z], -1).reshape(-1, 3)
    points = (
        np.concatenate([[[0, 0, EYE_RADIUS + 0.0005]], points, [[0, 0, -EYE_RADIUS]]]) + EYE_CENTRE
    )
    index = 1 + np.arange(len(degrees) * columns).reshape(-1, columns)
    faces = [ring_faces(index[k], index[k + 1]) for k in range(len(degrees) - 1)]
    faces += [cap_faces(index[0], 0), cap_faces(index[-1], len(points) - 1)[:, ::-1]]
    part = painted(points, np.concatenate(faces), EYE_WHITE, gloss=1.0)
    palette = [PUPIL, PUPIL, IRIS_EDGE, IRIS, np.multiply(IRIS, 1.3), IRIS_EDGE, EYE_WHITE]
    part.colours[0] = PUPIL
    for k, colour in enumerate(palette):
        part.colours[index[k]] = colour
    return part


def _opening(q: Float[np.ndarray, "k"]) -> Float[np.ndarray, "k"]:
    return 0.5 * (_TEMPORAL + _NASAL) + 0.5 * (_TEMPORAL - _NASAL) * q


def _edge_heights(
    q: Float[np.ndarray, "k"], upper: Float[np.ndarray, "k"]
) -> Float[np.ndarray, "k"]:
    """Return y of the lid edges relative to the eye's centre: an almond shape, with its top towards
    the nose and its bottom towards the temple.
    """
    line = 0.0002 + 0.0009 * q
    top = line + 0.0062 * (1 - q**2) ** 0.72 * (1 - 0.16 * q)
    bottom = line - 0.0050 * (1 - q**2) ** 0.80 * (1 + 0.20 * q)
    return np.where(upper == 0.5, line, np.where(upper > 0.5, top, bottom))
