"""The point of one face's surface that corresponds to each vertex of another face.

Two faces in FLAME's form share neither vertices nor triangles, but both have eyes, lips, a jaw and
a neck, and their files know where. The target is bent until it lies on the source:

1. A similarity (scale, rotation, place) from landmarks: eyeballs, mouth, forehead and chin.
2. A smooth field u(x) = Σ_i a_i φ(|x − c_i|) + affine, fitted in rounds to pairs of each target
   vertex with the nearest compatible point of the source. Compatible means near in the vector

       [ x,  k_n normal,  k_j jaw weight,  k_e eye weight,  k_l lip ]

   so that the upper lip does not meet the lower one although both touch. The field gets softer
   from round to round.
3. The nearest compatible point of the source's surface: a triangle and barycentric coordinates.

Distances are in metres at the source's size.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from ksdiff_jax.face.model import FaceModel
from ksdiff_jax.typing import Float, Int

# Metres that a full difference in a feature counts as.
_NORMAL_M, _JAW_M, _EYE_M, _LIP_M = 0.006, 0.012, 0.030, 0.006
_ROUNDS = 24
_STIFFEST, _SOFTEST = 3.0, 0.03  # ridge of the field, first and last round
_CENTRES, _WIDTH_M = 300, 0.05
_LANDMARK_PULL = 20.0
_NEIGHBOURS = 8
_BARYCENTRIC = np.array(  # where a triangle is sampled for the search
    [[1, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 4], [1, 1, 0], [0, 1, 1], [1, 0, 1]]
)


class Correspondence(NamedTuple):
    """For each of v target vertices, a point on the source's surface."""

    triangles: Int[np.ndarray, "v"]  # rows of the source's faces
    barycentric: Float[np.ndarray, "v 3"]
    scale: float  # size of the target over that of the source
    rotation: Float[np.ndarray, "3 3"]  # turns the source's directions to the target's
    place: Float[np.ndarray, "3"]  # x of the source is at scale · rotation x + place


class _Landmarks(NamedTuple):
    points: Float[np.ndarray, "k 3"]
    pull: Float[np.ndarray, "k"]  # weight in the rounds; 0 where only the start uses it


def face_correspondence(source: FaceModel, target: FaceModel) -> Correspondence:
    """Return the point of the source's surface for each vertex of the target.

    Faces with the same triangles (FLAME 2020 and 2023, or two people) correspond vertex by vertex.
    """
    same = _same_vertices(source, target)
    return same if same is not None else _fitted(source, target)


def _same_vertices(source: FaceModel, target: FaceModel) -> Correspondence | None:
    faces = np.asarray(source.faces)
    if len(source.template) != len(target.template) or not np.array_equal(faces, target.faces):
        return None
    owner = np.full(len(source.template), -1)
    for corner in range(3):
        owner[faces[:, corner]] = np.arange(len(faces))
    if owner.min() < 0:  # a vertex of no triangle
        return None
    corners = faces[owner] == np.arange(len(owner))[:, None]
    points = (np.asarray(face.template, np.float64) for face in (source, target))
    return Correspondence(owner, corners.astype(np.float64), *_similarity(*points))


def _fitted(source: FaceModel, target: FaceModel) -> Correspondence:
    marks, goals = _landmarks(target), _landmarks(source)
    scale, rotation, place = _similarity(marks.points, goals.points)
    points = scale * np.asarray(target.template, np.float64) @ rotation.T + place
    marked = scale * marks.points @ rotation.T + place
    search = _Search(source)
    labels = _labels(target)
    faces = np.asarray(target.faces)
    field = _Field(points)
    basis = np.concatenate([field.at(points), field.at(marked)])
    pull = _LANDMARK_PULL * marks.pull
    bent = points
    for stiffness in np.geomspace(_STIFFEST, _SOFTEST, _ROUNDS):
        found, trust = search.nearest(bent, _normals(bent, faces), labels)
        moves = np.concatenate([found - points, goals.points - marked])
        fitted = field.fit(basis, moves, np.concatenate([trust, pull]), stiffness=stiffness)
        bent = points + (basis @ fitted)[: len(points)]
    triangles, barycentric = search.surface(bent, _normals(bent, faces), labels)
    corners = search.points[search.faces[triangles]]
    at = np.einsum("vc,vck->vk", barycentric, corners)
    return Correspondence(
        triangles, barycentric, *_similarity(at, np.asarray(target.template, np.float64))
    )


def at_source(
    correspondence: Correspondence, faces: Int[np.ndarray, "n 3"], values: Float[np.ndarray, "s k"]
) -> Float[np.ndarray, "v k"]:
    """Return the source's per-vertex values at the points of the target's vertices."""
    corners = np.asarray(values)[np.asarray(faces)[correspondence.triangles]]
    return np.einsum("vc,vck->vk", correspondence.barycentric, corners)


class _Search:
    """Nearest points of a face's surface in position and features."""

    def __init__(self, face: FaceModel):
        self.faces = np.asarray(face.faces)
        self.points = np.asarray(face.template, np.float64)
        self.features = np.concatenate(
            [_NORMAL_M * _normals(self.points, self.faces), _labels(face)], axis=1
        )
        weights = _BARYCENTRIC / _BARYCENTRIC.sum(axis=1, keepdims=True)
        whole = np.concatenate([self.points, self.features], axis=1)
        sampled = np.einsum("sc,fck->fsk", weights, whole[self.faces])
        self.samples = sampled.reshape(-1, whole.shape[1])
        self.owner = np.repeat(np.arange(len(self.faces)), len(weights))
        self.tree = cKDTree(self.samples)

    def nearest(self, points, normals, labels):
        """Return the nearest samples and how far they can be trusted, 0 to 1."""
        asked = np.concatenate([points, _NORMAL_M * normals, labels], axis=1)
        distance, index = self.tree.query(asked)
        far = np.maximum(3 * np.median(distance), 0.002)
        return self.samples[index, :3], 1 / (1 + (distance / far) ** 4)

    def surface(self, points, normals, labels):
        """Return triangle and barycentric coordinates of the nearest point of the surface."""
        asked = np.concatenate([points, _NORMAL_M * normals, labels], axis=1)
        _, index = self.tree.query(asked, k=_NEIGHBOURS)
        candidates = self.owner[index]  # (v, k)
        whole = np.concatenate([self.points, self.features], axis=1)
        corners = whole[self.faces[candidates]]  # (v, k, 3, features)
        barycentric = _closest_barycentric(asked[:, None], corners)
        found = np.einsum("vkc,vkcf->vkf", barycentric, corners)
        best = np.linalg.norm(found - asked[:, None], axis=-1).argmin(axis=1)
        rows = np.arange(len(points))
        return candidates[rows, best], barycentric[rows, best]


class _Field:
    """Smooth displacement fields: an affine map plus Gaussian bumps at fixed centres."""

    def __init__(self, points: Float[np.ndarray, "v 3"]):
        self.centres = points[_spread(points, _CENTRES)]
        self.middle = points.mean(axis=0)
        stiff = np.zeros((len(self.centres) + 4,) * 2)
        stiff[4:, 4:] = self._bumps(self.centres)
        self.energy = stiff + 1e-9 * np.eye(len(stiff))

    def at(self, points: Float[np.ndarray, "v 3"]) -> Float[np.ndarray, "v k"]:
        """Return the values of the k basis functions."""
        ones = np.ones((len(points), 1))
        return np.concatenate([ones, (points - self.middle) / 0.1, self._bumps(points)], axis=1)

    def fit(self, basis, moves, trust, *, stiffness: float) -> Float[np.ndarray, "k 3"]:
        """Return the coefficients nearest to `moves`, whose weights are `trust`."""
        weighted = basis.T * (trust / len(trust))
        return np.linalg.solve(weighted @ basis + stiffness * self.energy, weighted @ moves)

    def _bumps(self, points):
        distance = np.linalg.norm(points[:, None] - self.centres, axis=-1)
        return np.exp(-((distance / _WIDTH_M) ** 2))


def _spread(points: Float[np.ndarray, "v 3"], count: int) -> Int[np.ndarray, "c"]:
    """Return `count` vertices, each the farthest from those before it."""
    chosen = [int(np.argmax(points[:, 2]))]
    distance = np.full(len(points), np.inf)
    for _ in range(min(count, len(points)) - 1):
        distance = np.minimum(distance, np.sum((points - points[chosen[-1]]) ** 2, axis=1))
        chosen.append(int(np.argmax(distance)))
    return np.array(chosen)


def _labels(face: FaceModel) -> Float[np.ndarray, "v 4"]:
    """Return what a vertex belongs to, in metres: jaw, left eye, right eye, lips."""
    lips = np.zeros(len(face.template))
    lips[face.regions["lips"]] = 1
    weights = np.asarray(face.skinning_weights, np.float64)
    return np.column_stack([_JAW_M * weights[:, 2], _EYE_M * weights[:, 3:5], _LIP_M * lips])


def _normals(
    points: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "n 3"]
) -> Float[np.ndarray, "v 3"]:
    """Return unit normals of the vertices, the mean over their triangles by area."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    total = np.zeros_like(points)
    for corner in range(3):
        np.add.at(total, faces[:, corner], normal)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-15)


def _landmarks(face: FaceModel) -> _Landmarks:
    points = np.asarray(face.template, np.float64)
    weights = np.asarray(face.skinning_weights)
    eyes = [_sphere_centre(points[weights[:, k] > 0.5]) for k in (3, 4)]
    lips = points[face.regions["lips"]]
    corners = [lips[np.argmax(lips[:, 0])], lips[np.argmin(lips[:, 0])]]
    inner = [points[row].mean(axis=0) for row in np.asarray(face.inner_lip_pairs).T]
    height = list(points[np.asarray(face.height_pair)])
    return _Landmarks(
        np.stack([*eyes, *inner, *corners, *height]), np.array([1, 1, 1, 1, 0, 0, 0, 0.0])
    )


def _sphere_centre(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "3"]:
    """Return the centre of the sphere nearest to the points."""
    system = np.column_stack([2 * points, np.ones(len(points))])
    return np.linalg.lstsq(system, np.sum(points**2, axis=1), rcond=None)[0][:3]


def _similarity(points: Float[np.ndarray, "k 3"], goals: Float[np.ndarray, "k 3"]):
    """Return scale, rotation and place that bring `points` nearest to `goals` (Umeyama 1991)."""
    middle, goal = points.mean(axis=0), goals.mean(axis=0)
    a, b = points - middle, goals - goal
    u, d, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    scale = float((d * sign).sum() / np.sum(a**2))
    return scale, rotation, goal - scale * rotation @ middle


def _closest_barycentric(points, corners):
    """Return the barycentric coordinates of the closest point of triangles in any dimension."""
    a, b, c = (corners[..., k, :] for k in range(3))
    ab, ac, ap = b - a, c - a, points - a

    def dot(x, y):
        return np.sum(x * y, axis=-1)

    d = np.maximum(dot(ab, ab) * dot(ac, ac) - dot(ab, ac) ** 2, 1e-18)
    v = (dot(ac, ac) * dot(ab, ap) - dot(ab, ac) * dot(ac, ap)) / d
    w = (dot(ab, ab) * dot(ac, ap) - dot(ab, ac) * dot(ab, ap)) / d
    inside = np.stack([1 - v - w, v, w], axis=-1)
    # Otherwise the closest point lies on one of the edges.
    best, least = inside, np.where(inside.min(axis=-1) >= 0, -1.0, np.inf)
    for k, (p, e) in enumerate(((a, ab), (a, ac), (b, c - b))):
        t = np.clip(dot(points - p, e) / np.maximum(dot(e, e), 1e-18), 0, 1)
        away = dot(points - p - t[..., None] * e, points - p - t[..., None] * e)
        zero = np.zeros_like(t)
        edge = np.stack(([1 - t, t, zero], [1 - t, zero, t], [zero, 1 - t, t])[k], axis=-1)
        better = away < least
        best, least = np.where(better[..., None], edge, best), np.where(better, away, least)
    return best
