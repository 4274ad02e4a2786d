"""FLAME-form faces made from the built-in head, whose true motion is known.

A made face has other vertices (a share of the edges split or collapsed, the rest slid along the
surface), other triangles (edges flipped), another shape (a smooth field of 3 mm), size, place and
joints, and its 40 expression directions are random mixtures of the built-in head's 50. `rows` says
where each of its vertices lies on the built-in head, so a motion of the built-in head gives the
true positions of the made one: those displacements, scaled.
"""

import functools
from typing import NamedTuple

import numpy as np
from scipy import sparse

from ksdiff_jax.face import FaceModel, builtin_face

DIRECTIONS = 40


class MadeFace(NamedTuple):
    face: FaceModel
    rows: sparse.csr_matrix  # (v, v of the built-in head), convex
    scale: float


@functools.cache
def made_face(seed: int, *, share: float | None = None, name: str = "made") -> MadeFace:
    """Make a face with 1 + `share` times the vertices; by default 20-40 % more or fewer."""
    random, head = np.random.default_rng(seed), builtin_face()
    if share is None:
        share = random.choice([-1, 1]) * random.uniform(0.2, 0.4)
    faces, rows = np.array(head.faces), _slid(head, random)
    goal = round(len(head.template) * (1 + share))
    if share > 0:
        faces, rows = _split(faces, rows, goal, random)
    else:
        faces, rows = _collapsed(faces, rows, goal, random, keep=np.ravel(head.inner_lip_pairs))
    faces = _flipped(faces, rows @ head.template, random)
    scale = random.uniform(0.9, 1.1)
    bent = head.template + _smooth_field(head.template, random)
    place = random.uniform(-0.03, 0.03, 3)
    template = scale * (rows @ bent) + place
    mixing = random.normal(size=(DIRECTIONS, 50)) / np.sqrt(50)
    directions = np.zeros((50, len(template), 3))
    flat = mixing @ np.asarray(head.expression_directions).reshape(50, -1)
    for k, field in enumerate(flat.reshape(DIRECTIONS, -1, 3)):
        directions[k] = scale * (rows @ field)
    joints = scale * (head.joint_regressor @ bent) + place + random.normal(size=(5, 3)) * 0.002
    face = FaceModel(
        template=template.astype(np.float32),
        shape_directions=np.zeros((100, *template.shape), np.float32),
        expression_directions=directions.astype(np.float32),
        pose_correctives=None,
        joint_regressor=_regressor(template, joints).astype(np.float32),
        skinning_weights=(rows @ head.skinning_weights).astype(np.float32),
        faces=faces.astype(np.int32),
        colours=(rows @ head.colours).astype(np.float32),
        gloss=(rows @ head.gloss).astype(np.float32),
        regions={key: _members(rows, value) for key, value in head.regions.items()},
        inner_lip_pairs=_owners(rows, head.inner_lip_pairs),
        height_pair=_owners(rows, head.height_pair),
        name=name,
    )
    return MadeFace(face, sparse.csr_matrix(rows), scale)


def _slid(head: FaceModel, random) -> sparse.csr_matrix:
    """Move every vertex by up to a third of the way into one of its triangles."""
    faces, count = np.asarray(head.faces), len(head.template)
    order = random.permutation(len(faces))
    triangle = np.zeros(count, int)
    for corner in range(3):
        triangle[faces[order, corner]] = order
    share = random.uniform(0, 0.33, count)
    weights = random.dirichlet(np.ones(3), count) * share[:, None]
    held = np.zeros(count, bool)
    held[np.ravel(head.inner_lip_pairs)] = held[head.height_pair] = True
    weights[held] = 0
    own = np.arange(count)
    data = np.concatenate([1 - weights.sum(axis=1), weights.ravel()])
    row = np.concatenate([own, np.repeat(own, 3)])
    column = np.concatenate([own, faces[triangle].ravel()])
    return sparse.csr_matrix((data, (row, column)), shape=(count, count))


def _split(faces, rows, goal, random):
    """Split random edges, no two of one triangle in a round, until there are `goal` vertices."""
    while rows.shape[0] < goal:
        edges, sides = _edges(faces)
        taken, chosen = np.zeros(len(faces), bool), []
        for e in random.permutation(len(edges)):
            if len(chosen) == goal - rows.shape[0]:
                break
            if len(sides[e]) <= 2 and not taken[sides[e]].any():
                taken[sides[e]] = True
                chosen.append(e)
        added, news = [], []
        for new, e in enumerate(chosen, start=rows.shape[0]):
            a, b = edges[e]
            t = random.uniform(0.35, 0.65)
            news.append(rows[a] * t + rows[b] * (1 - t))
            for f in sides[e]:
                old = faces[f].copy()
                faces[f] = np.where(old == a, new, old)
                added.append(np.where(old == b, new, old))
        faces = np.concatenate([faces, np.array(added, faces.dtype)])
        rows = sparse.vstack([rows, *news]).tocsr()
    return faces, rows


def _collapsed(faces, rows, goal, random, *, keep):
    """Collapse random inner edges onto one of their ends until there are `goal` vertices."""
    count = rows.shape[0]
    triangles = {i: tuple(face) for i, face in enumerate(faces.tolist())}
    around = [set() for _ in range(count)]
    for i, face in triangles.items():
        for vertex in face:
            around[vertex].add(i)
    alive, left = np.ones(count, bool), count
    # A triangle with a tiny angle or a flipped normal is not made.
    points = rows @ builtin_face().template

    def normal(face):
        a, b, c = points[list(face)]
        return np.cross(b - a, c - a)

    while left > goal:
        gone = int(random.integers(count))
        if not alive[gone] or gone in keep or len(around[gone]) < 3:
            continue
        ring = [v for i in around[gone] for v in triangles[i] if v != gone]
        if any(ring.count(v) != 2 for v in set(ring)):  # on a border: stays
            continue
        onto = int(random.choice(sorted(set(ring))))
        common = {v for i in around[onto] for v in triangles[i]} & set(ring)
        if len(common - {onto}) != 2:
            continue
        moved = {
            i: tuple(onto if v == gone else v for v in triangles[i])
            for i in around[gone]
            if onto not in triangles[i]
        }
        before = {i: normal(triangles[i]) for i in moved}
        if any(
            before[i] @ (n := normal(f)) < 0.5 * np.linalg.norm(before[i]) * np.linalg.norm(n)
            for i, f in moved.items()
        ):
            continue
        for i in list(around[gone]):
            for v in triangles[i]:
                around[v].discard(i)
            if i in moved:
                triangles[i] = moved[i]
                for v in moved[i]:
                    around[v].add(i)
            else:
                del triangles[i]
        alive[gone], left = False, left - 1
    number = np.cumsum(alive) - 1
    return number[np.array(list(triangles.values()))], rows[alive]


def _flipped(faces, points, random, share=0.3):
    """Flip a share of the edges between two nearly coplanar triangles."""
    faces = np.array(faces)
    edges, sides = _edges(faces)
    known, taken = {tuple(sorted(edge)) for edge in edges}, np.zeros(len(faces), bool)
    for e in random.permutation(len(edges))[: round(share * len(edges))]:
        if len(sides[e]) != 2 or taken[sides[e]].any():
            continue
        f, g = sides[e]
        a, b = edges[e]
        if (np.roll(faces[f], -1)[list(faces[f]).index(a)]) != b:
            a, b = b, a
        c, d = (next(v for v in faces[k] if v not in (a, b)) for k in (f, g))
        flips = np.array([[c, a, d], [d, b, c]])
        olds = np.stack([faces[f], faces[g]])
        n = [
            np.cross(points[t[:, 1]] - points[t[:, 0]], points[t[:, 2]] - points[t[:, 0]])
            for t in (olds, flips)
        ]
        n = [k / np.maximum(np.linalg.norm(k, axis=1, keepdims=True), 1e-12) for k in n]
        if tuple(sorted((c, d))) in known or (n[0] @ n[1].T).min() < 0.8:
            continue
        faces[f], faces[g] = flips
        taken[[f, g]] = True
        known.add(tuple(sorted((c, d))))
    return faces


def _edges(faces):
    table = {}
    for i, (a, b, c) in enumerate(faces.tolist()):
        for edge in ((a, b), (b, c), (c, a)):
            table.setdefault((min(edge), max(edge)), []).append(i)
    return np.array(list(table)), list(table.values())


def _smooth_field(points, random, rms_m=0.003, length_m=0.05):
    centres = points[random.choice(len(points), 60, replace=False)]
    distance = np.linalg.norm(points[:, None] - centres, axis=-1)
    field = np.exp(-((distance / length_m) ** 2)) @ random.normal(size=(60, 3))
    return field * rms_m / np.sqrt(np.mean(np.sum(field**2, axis=1)))


def _regressor(template, joints):
    """Weights over the 60 nearest vertices that sum to 1 and give each joint."""
    regressor = np.zeros((len(joints), len(template)))
    for k, joint in enumerate(joints):
        near = np.argsort(np.linalg.norm(template - joint, axis=1))[:60]
        system = np.concatenate([template[near].T, np.ones((1, 60))])
        regressor[k, near] = np.linalg.pinv(system) @ np.append(joint, 1.0)
    return regressor


def _members(rows, region):
    share = np.asarray(rows[:, region].sum(axis=1)).ravel()
    return np.flatnonzero(share > 0.5).astype(np.int32)


def _owners(rows, vertices):
    weight = rows[:, np.ravel(vertices)].toarray()
    return weight.argmax(axis=0).reshape(np.shape(vertices)).astype(np.int32)


def written(made: MadeFace, path):
    """Write the face as a FLAME-form npz with its own regions; return the path."""
    face = made.face
    directions = np.concatenate([face.shape_directions, face.expression_directions])
    parents = np.array([[-1, 0, 1, 1, 1], [0, 1, 2, 3, 4]])
    np.savez(
        path,
        v_template=face.template,
        shapedirs=directions.transpose(1, 2, 0),
        posedirs=np.zeros((*face.template.shape, 36), np.float32),
        J_regressor=face.joint_regressor,
        weights=face.skinning_weights,
        kintree_table=parents,
        f=face.faces,
        inner_lip_pairs=face.inner_lip_pairs,
        height_pair=face.height_pair,
        **{f"region_{name}": region for name, region in face.regions.items()},
    )
    return path
