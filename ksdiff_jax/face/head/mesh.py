"""The built-in head's mesh: skin stitched around mouth and eyes, and the separate pieces.

Skin vertices outside the mouth and lid rings lie on rings about the forward axis, which are denser
towards the front and densest on the nose. As seen from the head's centre, the skin is one sphere.
Its triangles are therefore the convex hull of the vertices' directions, without those that would
cover the mouth or an eye.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial import ConvexHull, cKDTree

from ksdiff_jax.face.head.eyes import EYE_CENTRE, Eye, make_eyeball, make_lids
from ksdiff_jax.face.head.features import hair_cover, make_brow, make_ear, make_hair
from ksdiff_jax.face.head.mouth import Mouth, make_mouth, make_teeth, make_tongue
from ksdiff_jax.face.head.parts import HAIR, SKIN, Part, inside_polygon, joined, mirrored, painted
from ksdiff_jax.face.head.surface import CENTRE, NECK_CUT_Y, cast, surface_towards
from ksdiff_jax.typing import Float, Int

NAMES = (
    *(
        "mouth",
        "left_lids",
        "right_lids",
        "skin",
        "upper_teeth",
        "lower_teeth",
        "tongue",
        "left_eye",
        "right_eye",
    ),
    *("left_ear", "right_ear", "left_brow", "right_brow", "hair"),
)


class HeadMesh(NamedTuple):
    """The whole head; `spans` maps a piece's name to its range of vertices."""

    part: Part
    spans: dict[str, slice]
    mouth: Mouth
    eye: Eye


def make_head() -> HeadMesh:
    """Build all pieces and stitch the skin."""
    mouth, eye = make_mouth(), make_lids()
    ear, brow, eyeball = make_ear(), make_brow(), make_eyeball()
    rings = [mouth.part.points[mouth.outer_ring], eye.part.points[eye.outer_ring]]
    rings.append(rings[1] * [-1, 1, 1])
    filler = _filler(rings)
    pieces = [mouth.part, eye.part, mirrored(eye.part), _skin(filler)]
    pieces += [
        make_teeth(upper=True),
        make_teeth(upper=False),
        make_tongue(),
        eyeball,
        mirrored(eyeball),
    ]
    pieces += [ear, mirrored(ear), brow, mirrored(brow), make_hair()]
    starts = np.cumsum([0, *(len(p.points) for p in pieces)])
    spans = {
        name: slice(int(a), int(b))
        for name, a, b in zip(NAMES, starts[:-1], starts[1:], strict=True)
    }
    ring_index = [mouth.outer_ring, eye.outer_ring + spans["left_lids"].start]
    ring_index.append(eye.outer_ring + spans["right_lids"].start)
    head = joined(pieces)
    seam = np.concatenate([*ring_index, np.arange(spans["skin"].start, spans["skin"].stop)])
    stitches = _stitch(head.points, seam, ring_index)
    return HeadMesh(head._replace(faces=np.concatenate([head.faces, stitches])), spans, mouth, eye)


def _skin(points: Float[np.ndarray, "n 3"]) -> Part:
    part = painted(points, np.zeros((0, 3), int), SKIN, gloss=0.22)
    scalp = np.clip(hair_cover(points) / 0.06, 0, 1)[:, None]
    part.colours[:] = part.colours * (1 - scalp) + np.array(HAIR) * scalp
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    flush = np.exp(-(((x - 0.043) / 0.016) ** 2) - ((y + 0.010) / 0.014) ** 2) * (z > 0)
    flush = 0.55 * flush + 0.5 * np.exp(-((x / 0.012) ** 2) - ((y + 0.008) / 0.010) ** 2) * (
        z > 0.09
    )
    part.colours[:] *= 1 - flush[:, None] * [0.04, 0.20, 0.20]
    nostril = np.exp(-(((x - 0.0062) / 0.0026) ** 2) - ((y + 0.0190) / 0.0026) ** 2) * (z > 0.085)
    part.colours[:] *= 1 - nostril[:, None] * [0.85, 0.93, 0.94]
    return part


def _filler(rings: list[Float[np.ndarray, "_ 3"]]) -> Float[np.ndarray, "n 3"]:
    """Return skin vertices with a minimum distance from the rings and from each other."""
    filler = [_neck_edge()]
    kept = np.concatenate([*rings, *filler])
    outlines = [ring[:, :2] for ring in rings]
    zones = (
        (
            0.0027,
            lambda p: (
                (np.abs(p[:, 0]) < 0.021)
                & (p[:, 1] < 0.008)
                & (p[:, 1] > -0.028)
                & (p[:, 2] > 0.07)
            ),
        ),
        (
            0.0046,
            lambda p: (
                (np.abs(p[:, 0]) < 0.060)
                & (p[:, 1] < 0.066)
                & (p[:, 1] > -0.093)
                & (p[:, 2] > 0.028)
            ),
        ),
        (0.0075, lambda p: (p[:, 2] > -0.010) & (hair_cover(p) < 0.05)),
        (0.0085, lambda p: (p[:, 1] < -0.070) & (p[:, 1] > NECK_CUT_Y + 0.003)),
        (0.0150, lambda p: p[:, 1] > -1),
    )
    for spacing, zone in zones:
        # Half the spacing: as seen from the centre the neck is oblique, so it would have too few
        # vertices.
        points = surface_towards(_directions(spacing * (0.5 if spacing == 0.0085 else 1.0)))
        points = points[zone(points)]
        for outline in outlines:
            inside = inside_polygon(points[:, :2], outline) & (points[:, 2] > 0)
            points = points[~inside]
        apart = cKDTree(kept).query(points)[0] > 0.72 * spacing
        filler.append(points[apart])
        kept = np.concatenate([kept, filler[-1]])
    points = np.concatenate(filler)
    points[np.abs(points[:, 0]) < 1e-9, 0] = 0.0
    return points


def _neck_edge() -> Float[np.ndarray, "n 3"]:
    """Return a ring of vertices just above the cut edge of the neck."""
    around = np.linspace(0, 2 * np.pi, 44, endpoint=False)
    flat = np.stack([np.sin(around), np.zeros_like(around), np.cos(around)], axis=1)
    flat[np.abs(flat) < 1e-12] = 0.0
    return cast(np.array([0.0, NECK_CUT_Y + 0.0015, -0.045]) + 0.25 * flat, -flat)


def _directions(spacing: float) -> Float[np.ndarray, "n 3"]:
    """Return unit directions on rings about +z, about `spacing` apart on the head, symmetric
    in x.
    """
    radius = 0.095
    rings = [np.array([[0.0, 0.0, 1.0]])]
    for k, polar in enumerate(np.arange(1, int(np.pi * radius / spacing)) * spacing / radius):
        count = 2 * max(3, round(np.pi * np.sin(polar) * radius / spacing))
        around = np.pi / 2 + (np.arange(count) + 0.5 * (k % 2)) * 2 * np.pi / count
        x, y = np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around)
        x[np.abs(x) < 1e-12] = 0.0
        rings.append(np.stack([x, y, np.full(count, np.cos(polar))], axis=1))
    return np.concatenate(rings)


def _stitch(
    points: Float[np.ndarray, "v 3"], seam: Int[np.ndarray, "n"], rings: list[Int[np.ndarray, "_"]]
) -> Int[np.ndarray, "_ 3"]:
    """Return triangles over the seam vertices, without those inside a ring."""
    local = points[seam] - CENTRE
    directions = local / np.linalg.norm(local, axis=1, keepdims=True)
    hull = ConvexHull(directions).simplices
    corners = directions[hull]
    outward = np.einsum(
        "ni,ni->n",
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]),
        corners[:, 0],
    )
    hull = np.where(outward[:, None] > 0, hull, hull[:, ::-1])
    faces = seam[hull]
    for ring in rings:
        faces = faces[~np.isin(faces, ring).all(axis=1)]
    return faces


def eye_centres() -> Float[np.ndarray, "2 3"]:
    """Return the centres of the left and right eyeball."""
    return np.stack([EYE_CENTRE, EYE_CENTRE * [-1, 1, 1]])
