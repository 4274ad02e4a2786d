"""The mouth of the built-in head: lips that meet, skin rings around them, the cavity, teeth and
tongue.

The lips are a grid. Columns run from the left corner (s = 1) to the right one (s = -1), rows from
the contact line (t = 0) over the red of the lip to its border (t = 1). Upper and lower contact rows
have the same positions but separate vertices, so the jaw can part them. At the corners every row
ends in one shared vertex. Closed rings of skin follow outwards. A dark bag, which contains the
teeth, extends inwards from the contact line.
"""

from typing import NamedTuple

import numpy as np

from ksdiff_jax.face.head.parts import (
    GUM,
    INSIDE,
    LIP,
    SKIN,
    TONGUE,
    TOOTH,
    Part,
    cap_faces,
    drop_flat,
    painted,
    ring_faces,
    smoothstep,
    strip_faces,
)
from ksdiff_jax.face.head.surface import surface_in_front
from ksdiff_jax.typing import Float, Int

HALF_WIDTH = 0.0250
CORNER_Y = -0.0440
COLUMNS = 27  # odd: one column in the middle
_LIP_ROWS = np.array([0.0, 0.14, 0.38, 0.68, 1.0])
_UPPER_BULGE = np.array([-0.0022, 0.0009, 0.0027, 0.0024, 0.0011])
_LOWER_BULGE = np.array([-0.0022, 0.0016, 0.0040, 0.0031, 0.0004])
_SKIN_RINGS = np.array([0.0016, 0.0036, 0.0066, 0.0105])
_SKIN_BULGE = np.array([0.0002, -0.0002, 0.0, 0.0])
# Depth behind the lips, half-height and width factor of the rings of the bag.
_BAG = (
    (0.0030, 0.0018, 0.98),
    (0.0055, 0.0100, 1.08),
    (0.0180, 0.0140, 1.12),
    (0.0400, 0.0110, 0.85),
)


# The degree to which each ring of the bag follows the lips.
BAG_FOLLOWS = (1.0, 0.75, 0.25, 0.0)
# Light that reaches each row of a band of teeth (gum, root, middle, edge, chewing edge, inner
# side), as a share. The renderer casts no shadows, so the colours contain those of the lips and of
# the upper teeth.
_UPPER_LIGHT = np.array([1.0, 1.0, 1.10, 1.22, 0.50, 0.20])
_LOWER_LIGHT = np.array([0.55, 0.55, 0.46, 0.37, 0.23, 0.12])
_LIGHT_LOST = 0.75  # from the middle of a row to its ends
_ROW_END = 1.40  # radians from the middle tooth
_LOWER_TILT, _LOWER_FRONT_Z = 0.20, 0.0776  # slope of the lower row, and where it begins


class Mouth(NamedTuple):
    """The lips, their skin rings and the bag as one part, with the indices that other modules
    need.
    """

    part: Part
    outer_ring: Int[np.ndarray, "k"]  # counter-clockwise seen from the front
    upper_contact: Int[np.ndarray, "c"]  # left to right, without the corners
    lower_contact: Int[np.ndarray, "c"]
    lips: Int[np.ndarray, "_"]


def contact_height(x: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Return y of the contact line of the lips; it continues straight beyond the corners."""
    s = np.clip(x / HALF_WIDTH, -1, 1)
    return CORNER_Y + 0.0012 * (1 - s**2) - 0.0008 * np.exp(-((s / 0.16) ** 2))


def make_mouth() -> Mouth:
    """Build the lips, the skin rings and the bag."""
    s = _columns()
    inner = slice(1, -1)
    upper, lower = _lip_rows(s, upper=True), _lip_rows(s, upper=False)  # (rows, columns, 3)
    corners = upper[0, [0, -1]]
    points: list[np.ndarray] = [corners]
    colours, sides = [np.tile(LIP, (2, 1))], [np.zeros(2, int)]

    def add(rows: np.ndarray, colour, side) -> np.ndarray:
        start = sum(len(p) for p in points)
        points.append(rows.reshape(-1, 3))
        count = points[-1].shape[0]
        colours.append(np.tile(colour, (count, 1)))
        sides.append(np.broadcast_to(side, count).astype(int))
        return start + np.arange(count).reshape(rows.shape[:-1])

    upper_index, lower_index = add(upper[:, inner], LIP, 1), add(lower[:, inner], LIP, -1)
    faces = []
    upper_full = np.column_stack([np.zeros(len(upper), int), upper_index, np.ones(len(upper), int)])
    lower_full = np.column_stack([np.zeros(len(lower), int), lower_index, np.ones(len(lower), int)])
    for k in range(len(_LIP_ROWS) - 1):
        faces += [
            strip_faces(upper_full[k], upper_full[k + 1]),
            strip_faces(lower_full[k + 1], lower_full[k]),
        ]
    # Rings run counter-clockwise as seen from the front: left corner, upper columns to the right
    # corner, lower ones back.
    loop_side = np.concatenate([[0], np.ones(COLUMNS - 2), [0], -np.ones(COLUMNS - 2)]).astype(int)
    ring = np.concatenate([upper_full[-1], lower_full[-1, ::-1][inner]])
    border = np.concatenate([upper[-1], lower[-1, ::-1][inner]])
    for distance, bulge in zip(_SKIN_RINGS, _SKIN_BULGE, strict=True):
        following = add(_skin_ring(border, distance, bulge), SKIN, loop_side)
        faces.append(ring_faces(ring, following))
        ring = following
    inside = np.concatenate([upper_full[0], lower_full[0, ::-1][inner]])
    contact = np.concatenate([upper[0], lower[0, ::-1][inner]])
    for depth, height, width in _BAG:
        following = add(_bag_ring(contact, depth, height, width), INSIDE, loop_side)
        faces.append(ring_faces(following, inside))
        inside = following
    back = add(points[-1].mean(axis=0, keepdims=True) - [0, 0, 0.004], INSIDE, 0)
    faces.append(cap_faces(inside, int(back[0])))
    part = painted(np.concatenate(points), np.concatenate(faces), SKIN, gloss=0.25)
    colour, gloss = np.concatenate(colours), part.gloss.copy()
    lips = np.concatenate([[0, 1], upper_index.ravel(), lower_index.ravel()])
    gloss[lips] = 0.55
    gloss[lips.max() + 1 + len(_SKIN_RINGS) * len(ring) :] = 0.04
    colour[upper_index[0]] = colour[lower_index[0]] = np.multiply(LIP, 0.45)
    part = part._replace(
        colours=colour, gloss=gloss, side=np.concatenate(sides), faces=drop_flat(part.faces)
    )
    return Mouth(part, ring, upper_index[0], lower_index[0], lips)


def loop_contact(mouth: Mouth) -> Int[np.ndarray, "k"]:
    """Return the contact rows and corners as one closed ring, in the order of the bag's rings."""
    return np.concatenate([[0], mouth.upper_contact, [1], mouth.lower_contact[::-1]])


def bag_start(mouth: Mouth) -> int:
    """Return the index of the bag's first vertex; its rings and then its back vertex are the last
    vertices of the part.
    """
    return len(mouth.part.points) - len(_BAG) * len(loop_contact(mouth)) - 1


def make_teeth(*, upper: bool) -> Part:
    """Return one row of teeth with its gum: a curved band, thinner between the teeth."""
    per_tooth, teeth = 4, 12
    angle = np.linspace(-_ROW_END, _ROW_END, per_tooth * teeth + 1)
    # 1 between teeth, 0 in the middle of one
    phase = np.abs(((np.arange(len(angle)) / per_tooth) % 1.0) - 0.5) * 2
    reach = 0.0 if upper else -0.0024
    edge, root = (-0.0462, -0.0365) if upper else (-0.0452, -0.0550)
    gum = root + (0.007 if upper else -0.007)
    rows = []
    for height, inward, notch in (
        (gum, 0.0015, 0),
        (root, 0.0, 0.4),
        ((edge + root) / 2, -0.0004, 0.9),
        (edge, 0.0006, 1),
    ):
        indent = inward + 0.0007 * notch * phase**3
        rounding = (0.0007 if upper else -0.0007) * phase**4 * (height == edge)
        x = (0.0235 + reach * 0.5 - indent) * np.sin(angle)
        z = 0.0800 + reach - indent - 0.031 * (1 - np.cos(angle))
        rows.append(np.stack([x, np.full_like(x, height) + rounding, z], axis=1))
    rows.append(rows[-1] * [0.80, 1, 1] - [0, 0, 0.0045])  # the chewing edge
    rows.append(rows[1] * [0.72, 1, 1] - [0, 0, 0.0060])  # and the inner side
    points = np.concatenate(rows)
    index = np.arange(len(points)).reshape(len(rows), -1)
    faces = np.concatenate([strip_faces(index[k], index[k + 1]) for k in range(len(rows) - 1)])
    if not upper:
        faces = faces[:, ::-1]
    part = painted(points, faces, TOOTH, gloss=0.6 if upper else 0.3, side=1 if upper else -1)
    colours = part.colours * np.tile(1 - 0.5 * phase**6, len(rows))[:, None]
    colours[index[0]] = GUM
    colours[index[1]] = 0.5 * (np.array(GUM) + TOOTH)
    lit = 1 - _LIGHT_LOST * (1 - np.cos(angle)) / (1 - np.cos(_ROW_END))
    light = np.outer(_UPPER_LIGHT if upper else _LOWER_LIGHT, lit).reshape(-1, 1)
    return part._replace(colours=np.minimum(colours * light, 1.0))


def seated_lower_teeth(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """Return the vertices of the lower teeth where they belong: on a slope that falls to the back.

    The jaw turns about the ears, so an open one lowers the front of the row more than its ends. On
    a level row the ends would appear above the lip as two white corners.

    The stored vertices are level. The identity directions are orthogonal over them, and other
    vertices would change the shape coefficients of every face.
    """
    drop = _LOWER_TILT * (_LOWER_FRONT_Z - points[:, 2])
    return points - drop[:, None] * [0.0, 1.0, 0.0]


def make_tongue() -> Part:
    """Return a low dome behind the lower teeth."""
    u = np.linspace(0, 1, 9)  # root to tip
    a = np.linspace(-1, 1, 9)
    width = 0.0165 * np.sqrt(np.clip(1 - (1.15 * u - 0.25).clip(0) ** 4, 0.02, 1))
    x = width[:, None] * a
    z = np.broadcast_to((0.038 + 0.034 * u)[:, None], x.shape)
    y = -0.0500 - 0.0035 * u[:, None] ** 3 - 0.006 * np.abs(a) ** 3 + 0.002 * (1 - np.abs(a))
    points = np.stack([x, np.broadcast_to(y, x.shape), z], -1).reshape(-1, 3)
    index = np.arange(len(points)).reshape(9, 9)
    faces = np.concatenate([strip_faces(index[k], index[k + 1]) for k in range(8)])
    part = painted(points, faces, TONGUE, gloss=0.35, side=-1)
    light = np.repeat(0.15 + 0.85 * smoothstep(u / 0.85), 9)  # its root lies in the dark
    return part._replace(colours=part.colours * light[:, None])


def _columns() -> Float[np.ndarray, "c"]:
    even = np.linspace(1, -1, COLUMNS)
    return 0.55 * even + 0.45 * np.sin(even * np.pi / 2)


def _lip_rows(s: Float[np.ndarray, "c"], *, upper: bool) -> Float[np.ndarray, "r c 3"]:
    x = HALF_WIDTH * s
    if upper:
        # Cupid's bow: two peaks with a dip between them.
        peak = np.exp(-(((np.abs(s) - 0.24) / 0.17) ** 2))
        height = 0.0062 * (1 - s**2) ** 0.62 * (1 - 0.20 * np.abs(s)) + 0.0016 * peak
    else:
        height = -0.0088 * (1 - np.abs(s) ** 2.4) ** 0.80
    bulge = _UPPER_BULGE if upper else _LOWER_BULGE
    y = contact_height(x) + _LIP_ROWS[:, None] * height
    points = surface_in_front(np.stack([np.broadcast_to(x, y.shape), y], axis=-1))
    fade = (1 - s**2) ** 0.55
    points[..., 2] += bulge[:, None] * fade - 0.0016 * np.abs(s) ** 6
    return points


def _skin_ring(
    border: Float[np.ndarray, "k 3"], distance: float, bulge: float
) -> Float[np.ndarray, "k 3"]:
    angle = np.arctan2((border[:, 1] - CORNER_Y) / 0.011, border[:, 0] / HALF_WIDTH)
    outwards = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    plane = border[:, :2] + distance * outwards * [1.15, 1.0]
    # The nose ends above the upper lip: keep the last rings off it.
    plane[:, 1] = np.minimum(plane[:, 1], -0.0262 + 0.0 * plane[:, 0])
    points = surface_in_front(plane)
    points[:, 2] += bulge
    return points


def _bag_ring(
    contact: Float[np.ndarray, "k 3"], depth: float, height: float, width: float
) -> Float[np.ndarray, "k 3"]:
    angle = np.linspace(0, 2 * np.pi, len(contact), endpoint=False)
    s = contact[:, 0] / HALF_WIDTH
    ring = contact * [width, 1, 1] - [0, 0, depth]
    ring[:, 1] += height * np.sign(np.sin(angle).round(9)) * (1 - np.abs(s) ** 3) ** 0.5
    ring[:, 2] -= 0.2 * depth * smoothstep(np.abs(s))
    return ring
