"""The positions at which a landmark tracker detects its points on the built-in head; this module
made `assets/face/landmarks.npz`.

    python -m ksdiff_jax.asset_builders.head_landmarks

The head is drawn from the front with its mouth closed, and the tracker detects its points on the
picture and on its mirror image. Each point is traced back to the triangle of skin at that place in
the picture. The embedding therefore uses the tracker's own definition of, for example, the corner
of the eye. Only the rims of the lips cannot be separated while they touch. Their points are
assigned to the edges of upper and lower lip at the same distance from the middle.
"""

import sys

import numpy as np
from scipy.optimize import linear_sum_assignment

from ksdiff_jax.data.tracking.tracker import Tracker
from ksdiff_jax.export.raster import Camera, Surface, render_frames
from ksdiff_jax.face import builtin_face
from ksdiff_jax.face.head.file import load_head
from ksdiff_jax.face.landmarks import STORED, TRACKED_POINTS, LandmarkEmbedding
from ksdiff_jax.files import replacing
from ksdiff_jax.typing import Float, Int

PICTURE = 384
CAMERA = Camera(target=(0.0, 0.0, 0.0), height_m=0.30, distance_m=4.0)
LOOKS = 5  # the tracker converges within a few pictures of one face
SKIN = ("mouth", "left_lids", "right_lids", "skin")
# The rims of the lips in the tracker's mesh, from the subject's right to the left.
UPPER_RIM = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_RIM = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
UPPER_LIP = (
    61,
    185,
    40,
    39,
    37,
    0,
    267,
    269,
    270,
    409,
    291,
    76,
    184,
    74,
    73,
    72,
    11,
    302,
    303,
    304,
    408,
    306,
)
UPPER_LIP += (62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292)
# A point whose ray is almost tangential to the skin has an inaccurate position.
LEAST_FACING = 0.08
FURTHEST_MISS = 3.0  # pixels


def seen_on_builtin_head() -> LandmarkEmbedding:
    """Return the embedding; this requires the tracker."""
    face, head = builtin_face(), load_head()
    (picture,) = render_frames(
        np.asarray(face.template)[None],
        Surface(face.faces, face.colours, face.gloss),
        camera=CAMERA,
        size=PICTURE,
    )
    with Tracker() as tracker:
        seen = _landmarks(tracker, picture)
        mirrored = _flipped(_landmarks(tracker, np.ascontiguousarray(picture[:, ::-1])))
    twin = _twins(seen, mirrored)
    seen = (seen + mirrored[twin]) / 2
    seen = (seen + _flipped(seen)[twin]) / 2  # the head is symmetric
    points, triangles, barycentric = [], [], []
    for point, (x, y) in enumerate(seen):
        hit = _rim(head, point, x) or _traced(face, head, point, x, y)
        if hit is not None:
            points.append(point)
            triangles.append(hit[0])
            barycentric.append(hit[1])
    return LandmarkEmbedding(
        np.array(points, np.int32), np.array(triangles, np.int32), np.array(barycentric, np.float32)
    )


def _landmarks(tracker: Tracker, picture: np.ndarray) -> Float[np.ndarray, "468 2"]:
    tracker.forget()
    seen = [tracker.landmarks(picture) for _ in range(LOOKS)][-1]
    if seen is None:
        raise RuntimeError("the tracker detects no face on the built-in head")
    return seen[:TRACKED_POINTS, :2]


def _flipped(places: Float[np.ndarray, "468 2"]) -> Float[np.ndarray, "468 2"]:
    return np.stack([PICTURE - places[:, 0], places[:, 1]], axis=1)


def _twins(
    seen: Float[np.ndarray, "468 2"], mirrored: Float[np.ndarray, "468 2"]
) -> Int[np.ndarray, "468"]:
    """Return for each point its counterpart on the other side.

    Lips that touch are paired within their own rim.
    """
    distance = np.linalg.norm(seen[:, None] - mirrored[None], axis=-1)
    rim = np.zeros(TRACKED_POINTS)
    rim[list(UPPER_RIM[1:-1])], rim[list(LOWER_RIM[1:-1])] = 1, 2
    distance = distance + distance.T + 1e3 * (rim[:, None] != rim[None])
    return linear_sum_assignment(distance)[1].astype(np.int64)


def _screen() -> Float[np.ndarray, "v 2"]:
    """Return the position of every vertex of the head in the picture, in pixels."""
    points = np.asarray(builtin_face().template)
    focal = PICTURE * CAMERA.distance_m / CAMERA.height_m
    depth = CAMERA.distance_m - points[:, 2]
    return PICTURE / 2 + np.stack([points[:, 0], -points[:, 1]], axis=1) * (focal / depth)[:, None]


def _rim(head, point: int, x: float) -> tuple[int, list[float]] | None:
    """Return a corner of a triangle at the edge of the lip, in the column nearest to `x`."""
    if point not in UPPER_RIM and point not in LOWER_RIM:
        return None
    contact = head.mouth.upper_contact if point in UPPER_RIM else head.mouth.lower_contact
    contact = contact + head.spans["mouth"].start
    vertex = contact[np.abs(_screen()[contact, 0] - x).argmin()]
    rows, corners = np.nonzero(np.asarray(builtin_face().faces) == vertex)
    return int(rows[0]), np.eye(3)[corners[0]].tolist()


def _traced(face, head, point: int, x: float, y: float) -> tuple[int, list[float]] | None:
    """Return the foremost triangle of skin under a pixel, with the point's barycentric
    coordinates.
    """
    triangles = np.asarray(face.faces)
    vertex_is_skin = np.zeros(len(face.template), bool)
    for name in SKIN:
        vertex_is_skin[head.spans[name]] = True
    if point in UPPER_LIP:  # where the lips touch, a pixel belongs to both
        vertex_is_skin[head.part.side < 0] = False
    rows = np.flatnonzero(vertex_is_skin[triangles].all(axis=1))
    a, b, c = (_screen()[triangles[rows, k]] for k in range(3))
    area = _cross(b - a, c - a)
    place = np.array([x, y])
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.stack(
            [
                _cross(b - place, c - place),
                _cross(c - place, a - place),
                _cross(a - place, b - place),
            ],
            1,
        )
        weights = weights / area[:, None]
    points = np.asarray(face.template)[triangles[rows]]
    normals = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    facing = normals[:, 2] / np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
    under = np.flatnonzero((weights >= -1e-6).all(axis=1) & (facing > LEAST_FACING))
    if not len(under):
        return _nearest_corner(triangles, vertex_is_skin, place)
    depth = (points[..., 2] * weights)[under].sum(axis=1)
    chosen = under[depth.argmax()]
    return int(rows[chosen]), weights[chosen].tolist()


def _nearest_corner(triangles, vertex_is_skin, place) -> tuple[int, list[float]] | None:
    """Return the nearest skin vertex, for a point just beyond an edge: of a lid, or of the face
    itself.
    """
    distance = np.where(vertex_is_skin, np.linalg.norm(_screen() - place, axis=1), np.inf)
    vertex = int(distance.argmin())
    if distance[vertex] > FURTHEST_MISS:
        return None
    rows, corners = np.nonzero(triangles == vertex)
    return int(rows[0]), np.eye(3)[corners[0]].tolist()


def _cross(a: Float[np.ndarray, "n 2"], b: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n"]:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def main() -> int:
    """Recompute the embedding."""
    embedding = seen_on_builtin_head()
    with replacing(STORED) as temporary:
        np.savez_compressed(temporary, **embedding._asdict())
    print(f"{STORED}: {len(embedding.points)} of {TRACKED_POINTS} points")
    return 0


if __name__ == "__main__":
    sys.exit(main())
