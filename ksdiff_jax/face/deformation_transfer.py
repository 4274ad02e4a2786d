"""Displacements of one face carried to another (deformation transfer, Sumner and Popović 2004).

A target vertex i corresponds to a point p_i of the source's surface, whose displacement, turned and
scaled to the target, is d⁰_i. Each triangle of the target is therefore also a triangle of the
source, with edges E_s = (p_1 − p_0, p_2 − p_0), and a displacement changes it by the gradient

    G = (d⁰_1 − d⁰_0, d⁰_2 − d⁰_0) E_sᵀ (E_s E_sᵀ + ε I)⁻¹

An edge e of the target, e_s of the source, is to change by d⁰_j − d⁰_i + G (e − e_s), which is G e
unless the source's triangle is degenerate: a longer lip is stretched by more. With q the triangle's
area on the source over that on the target, at most 1, the displacements minimise

    Σ_triangles Σ_edges q |d_j − d_i − (d⁰_j − d⁰_i) − G (e − e_s)|²  +  `ANCHOR` Σ_i |d_i − d⁰_i|²

which is linear in the source's displacements. The second term places pieces of mesh that no edge
connects.
"""

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from ksdiff_jax.face.correspondence import Correspondence, at_source
from ksdiff_jax.face.model import FaceModel
from ksdiff_jax.typing import Float

ANCHOR = 0.3
_DEGENERATE = 0.03  # share of the target's mean squared edge


def transferred(
    fields: Float[np.ndarray, "k s 3"],
    correspondence: Correspondence,
    source: FaceModel,
    target: FaceModel,
) -> Float[np.ndarray, "k v 3"]:
    """Return displacements of the source's vertices as displacements of the target's, in metres."""
    placed = correspondence.scale * np.stack(
        [at_source(correspondence, source.faces, field) for field in fields]
    )
    placed = placed @ correspondence.rotation.T
    rest = correspondence.scale * (
        at_source(correspondence, source.faces, source.template) @ correspondence.rotation.T
    )
    faces = np.asarray(target.faces)
    theirs, own = _edges(rest, faces), _edges(np.asarray(target.template, np.float64), faces)
    least = _DEGENERATE * np.mean(np.sum(own**2, axis=-1))
    square = np.einsum("fai,fbi->fab", theirs[:, :2], theirs[:, :2]) + least * np.eye(2)
    inverse = np.linalg.solve(square, theirs[:, :2])  # (f, 2, 3)
    # how much each target edge differs, in the two edges of the source's triangle
    along = np.einsum("fai,fei->fea", inverse, own - theirs)
    quality = np.minimum(_area(theirs) / np.maximum(_area(own), 1e-12), 1.0)
    edge_rows = faces[:, [[0, 1], [0, 2], [1, 2]]].reshape(-1, 2)  # (3 f, 2)
    weight = np.repeat(quality, 3)
    count = len(target.template)
    rows = np.arange(len(edge_rows))
    difference = sparse.csr_matrix(
        (
            np.concatenate([-np.ones(len(rows)), np.ones(len(rows))]),
            (np.concatenate([rows, rows]), edge_rows.T.ravel()),
        ),
        shape=(len(rows), count),
    )
    weighted = difference.T @ sparse.diags(weight)
    solver = splu((weighted @ difference + ANCHOR * sparse.identity(count)).tocsc())
    result = np.empty_like(placed)
    for k, field in enumerate(placed):
        change = np.einsum("fea,fai->fei", along, _edges(field, faces)[:, :2]).reshape(-1, 3)
        result[k] = field + solver.solve(weighted @ change)
    return result


def _edges(points, faces):
    a, b, c = (points[faces[:, k]] for k in range(3))
    return np.stack([b - a, c - a, c - b], axis=1)


def _area(edges):
    return np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=-1) / 2
