"""The built-in head as it is drawn and exported: with shoulders, hair and a moving tongue.

The dressed head is the built-in head with more vertices after its own, which stay bit for bit: its
template, directions, weights, regions and vertex numbers are those of `builtin_face()`. Its cap of
hair lies under the locks; its plain tongue has no triangles any more. The further vertices have no
expression: the hair moves with the head, the tongue with the jaw, the shirt with the shoulders.
With an identity (shape coefficients) they move as the head's vertices around them do.

Motions, scores, retargeting and the ARKit solver use the built-in head alone.
"""

import dataclasses
import functools
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from ksdiff_jax.face.builtin import builtin_face
from ksdiff_jax.face.head.file import load_head
from ksdiff_jax.face.head.rig import neck_weight
from ksdiff_jax.face.head.tongue import POSES, tongue_displacements
from ksdiff_jax.face.model import FaceModel
from ksdiff_jax.typing import Float

STORED = Path(__file__).parents[1] / "assets" / "face" / "dressing.npz"
PARTS = ("tongue", "locks", "bust")
_NEIGHBOURS = 12  # vertices of the head whose identity a further vertex follows
_SPREAD_M = 0.012


@functools.cache
def dressed_head() -> FaceModel:
    """Return the dressed head; it is built once per process."""
    face = builtin_face()
    more, spans, own = _stored(), dressed_spans(), len(face.template)
    points, count = more["points"], len(more["points"])

    def longer(array, further) -> np.ndarray:
        return np.concatenate([np.asarray(array), further], axis=-2, dtype=np.float32)

    weights = np.zeros((own + count, 5))
    weights[spans["tongue"], 2] = weights[spans["locks"], 1] = 1.0
    neck = neck_weight(points[slice(spans["bust"].start - own, None)])
    weights[spans["bust"], 0], weights[spans["bust"], 1] = 1 - neck, neck
    plain = load_head().spans["tongue"]
    of_tongue = (face.faces >= plain.start) & (face.faces < plain.stop)
    return FaceModel(
        template=longer(face.template, points),
        shape_directions=longer(face.shape_directions, _followed(face, points)),
        expression_directions=longer(face.expression_directions, np.zeros((50, count, 3))),
        pose_correctives=None,
        joint_regressor=np.pad(face.joint_regressor, [(0, 0), (0, count)]),
        skinning_weights=longer(face.skinning_weights, weights[own:]),
        faces=np.concatenate(
            [face.faces[~of_tongue.any(axis=1)], more["faces"].astype(np.int32) + own]
        ).astype(np.int32),
        colours=longer(face.colours, more["colours"] / 65535),
        gloss=np.concatenate([face.gloss, more["gloss"]], dtype=np.float32),
        regions=face.regions,
        inner_lip_pairs=face.inner_lip_pairs,
        height_pair=face.height_pair,
        name=face.name,
        licence=face.licence,
        space=face.space,
    )


@functools.cache
def dressed_spans() -> dict[str, slice]:
    """Return the vertices of each of `PARTS`."""
    counts = _stored()["counts"]
    stops = len(builtin_face().template) + np.cumsum(counts)
    return {
        name: slice(int(stop - count), int(stop))
        for name, stop, count in zip(PARTS, stops, counts, strict=True)
    }


@functools.cache
def dressed_pieces() -> tuple[FaceModel, FaceModel]:
    """Return the dressed head in two: the head with its tongue, which shapes move, and hair with
    shirt, which they do not.
    """
    stop = dressed_spans()["tongue"].stop
    return _piece(slice(stop)), _piece(slice(stop, None))


def tongue_shape(face: FaceModel, pose: str, *, jaw_rad: float) -> Float[np.ndarray, "v 3"]:
    """Return the displacement in metres of the vertices of a face by a pose of the tongue
    (`head.tongue.POSES`) over a jaw that is open by an angle; zero for a face without this tongue.
    """
    shape, span = np.zeros(np.asarray(face.template).shape, np.float32), dressed_spans()["tongue"]
    if face is dressed_head() or face is dressed_pieces()[0]:
        weights = np.eye(len(POSES))[POSES.index(pose)]
        shape[span] = tongue_displacements(weights, np.array(jaw_rad))
    return shape


def is_dressed(face: FaceModel) -> bool:
    """Return whether this is the dressed head."""
    return face is dressed_head()


def _piece(vertices: slice) -> FaceModel:
    face = dressed_head()
    start, stop, _ = vertices.indices(len(face.template))
    inside = ((face.faces >= start) & (face.faces < stop)).all(axis=1)
    empty = np.zeros(0, np.int32)
    first = start == 0
    return dataclasses.replace(
        face,
        template=face.template[vertices],
        shape_directions=face.shape_directions[:, vertices],
        expression_directions=face.expression_directions[:, vertices],
        joint_regressor=face.joint_regressor[:, vertices],
        skinning_weights=face.skinning_weights[vertices],
        faces=face.faces[inside] - start,
        colours=face.colours[vertices],
        gloss=face.gloss[vertices],
        regions=face.regions if first else dict.fromkeys(face.regions, empty),
        inner_lip_pairs=face.inner_lip_pairs if first else np.zeros((0, 2), np.int32),
    )


@functools.cache
def _stored() -> dict[str, np.ndarray]:
    with np.load(STORED, allow_pickle=False) as archive:
        return dict(archive)


def _followed(face: FaceModel, points: Float[np.ndarray, "k 3"]) -> Float[np.ndarray, "100 k 3"]:
    """Return the identity directions of points: the weighted mean of those of the vertices
    around.
    """
    away, near = cKDTree(face.template).query(points, k=_NEIGHBOURS)
    share = np.exp(-np.square((away - away[:, :1]) / _SPREAD_M))
    share = (share / share.sum(axis=1, keepdims=True)).astype(np.float32)
    followed = np.zeros((len(face.shape_directions), len(points), 3), np.float32)
    for column in range(_NEIGHBOURS):
        followed += face.shape_directions[:, near[:, column]] * share[:, column, None]
    return followed
