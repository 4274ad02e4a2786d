"""A motion of one face put on another: the linear map between their expression spaces.

The source's displacements are carried to the target's vertices by deformation transfer
(`deformation_transfer`). With the source's 53 displacements E, 50 for the expression coefficients
and 3 for the jaw (metres a radian), their transfers D (53, v, 3), the target's own J (53, v, 3)
and vertex weights w, the map M (53, 53) is the ridge regression

    M = D w Jᵀ (J w Jᵀ + R)⁻¹          [ψ' θ'] = [ψ θ] M

A jaw rotation is not linear. Both jaws are linearised at the same opening `JAW_RAD`, so that what
the linearisation leaves out is nearly the same on both faces. Global, neck and eye rotations are
those of the source. The camera is changed so that the head keeps its place and size in the image.

A map is computed once for a pair of faces and kept in the cache, by the digests of both.
"""

import dataclasses
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.face.correspondence import Correspondence, face_correspondence
from ksdiff_jax.face.deformation_transfer import transferred
from ksdiff_jax.face.model import FaceModel, face_vertices
from ksdiff_jax.files import cache_folder, replacing
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.tree import tree_digest
from ksdiff_jax.typing import Float, Int

JAW_RAD = 0.08  # a jaw in speech is open by about this much
VERSION = 1  # of the method; a map of another version in the cache is not used
RIDGE = 1e-4  # share of the mean energy of the target's directions
_IMPORTANCE = {"lips": 6.0, "face": 1.0, "rest": 0.1}
_ERROR_FRAMES = 256  # frames, evenly spread, that the error of a motion is measured on


class Retargeting(NamedTuple):
    """The map from one face to another."""

    matrix: Float[np.ndarray, "53 53"]  # expression and jaw of the source to those of the target
    correspondence: Correspondence


def retargeting(source: FaceModel, target: FaceModel) -> Retargeting:
    """Return the map between two faces, from the cache if it is there.

    Raises `InputError` if the target's regions or directions do not suffice.
    """
    path = _kept(source, target)
    if path is not None and (found := _read(path, target)):
        return found
    check_retargetable(target)
    correspondence = face_correspondence(source, target)
    result = Retargeting(_matrix(source, target, correspondence), correspondence)
    if path is not None:
        with replacing(path) as temporary:
            np.savez(temporary, **_stored(result))
    return result


def retargeted(
    clip: MotionClip, map_: Retargeting, source: FaceModel, target: FaceModel
) -> MotionClip:
    """Return the clip in the coefficients of the target; its `meta["retargeting"]` names both faces
    and has the error of `retargeting_error`.
    """
    moved = np.concatenate([clip.exp, clip.jaw_pose], axis=1) @ map_.matrix
    exp, jaw = np.split(moved.astype(np.float32), [clip.exp.shape[1]], axis=1)
    scale, place = map_.correspondence.scale, map_.correspondence.place
    result = dataclasses.replace(
        clip,
        exp=exp,
        jaw_pose=jaw,
        cam=clip.cam * [1 / scale, scale, scale] - [0, *place[:2]],
        shape=np.zeros_like(clip.shape),
        meta={**clip.meta, "space": target.space},
    )
    error = retargeting_error(clip, result, map_, source, target)
    stated = {"from": source.name, "to": target.name, "to_digest": face_digest(target)}
    return dataclasses.replace(
        result, meta={**result.meta, "retargeting": {**stated, "error_mm": error}}
    )


def retargeting_error(
    clip: MotionClip,
    moved: MotionClip,
    map_: Retargeting,
    source: FaceModel,
    target: FaceModel,
) -> dict[str, dict[str, float]]:
    """Return, per region of the target, mean and 99th percentile in millimetres of the distance
    between the transferred motion of the source and the motion of the target, without head and
    neck.

    It contains what the target's directions cannot show, and not the error of the correspondence.
    """
    frames = np.unique(np.linspace(0, len(clip) - 1, _ERROR_FRAMES).astype(int))
    wanted = transferred(_moved(source, clip, frames), map_.correspondence, source, target)
    away = 1000 * np.linalg.norm(_moved(target, moved, frames) - wanted, axis=-1)
    parts = {**target.regions, "face": front(target), "whole head": slice(None)}
    return {
        name: {
            "mean": round(float(away[:, part].mean()), 4),
            "p99": round(float(np.percentile(away[:, part], 99)), 4),
        }
        for name, part in parts.items()
    }


def front(face: FaceModel) -> Int[np.ndarray, "n"]:
    """Return the vertices of the face without the back of the head and the neck."""
    points, weights = np.asarray(face.template), np.asarray(face.skinning_weights)
    eyes = points[weights[:, 3:5].max(axis=1) > 0.5].mean(axis=0)
    height = float(np.linalg.norm(np.subtract(*points[np.asarray(face.height_pair)])))
    chin = points[face.height_pair[1], 1]
    chosen = (points[:, 2] > eyes[2] - 0.25 * height) & (points[:, 1] > chin - 0.05 * height)
    return np.flatnonzero(chosen)


def check_retargetable(face: FaceModel) -> None:
    """Raise `InputError` unless the face has what a retargeting needs."""
    name = face.name or "the face"
    missing = [key for key in ("lips", "upper_face", "eyes", "neck") if key not in face.regions]
    missing += [key for key in ("lips",) if key not in missing and len(face.regions[key]) < 8]
    if missing:
        raise InputError(
            f"{name}: no region {', '.join(missing)}; a retargeting needs lips, upper_face, eyes "
            "and neck (region_lips, ... in the file)"
        )
    if not np.any(face.expression_directions):
        raise InputError(
            f"{name}: its expression directions are all zero, so that no motion can be put on it; "
            "need a face with expressions"
        )
    weights = np.asarray(face.skinning_weights)
    for joint, part in ((2, "jaw"), (3, "left eye"), (4, "right eye")):
        if np.count_nonzero(weights[:, joint] > 0.5) < 8:
            raise InputError(
                f"{name}: no part of it moves with the {part} joint; a retargeting needs a head "
                "with jaw and eyes"
            )


def face_digest(face: FaceModel) -> str:
    """Return the SHA-256 of everything of a face that a retargeting depends on."""
    return tree_digest(
        {
            "template": face.template,
            "directions": face.expression_directions,
            "correctives": face.pose_correctives if face.pose_correctives is not None else {},
            "regressor": face.joint_regressor,
            "weights": face.skinning_weights,
            "faces": face.faces,
            "regions": face.regions,
            "pairs": face.inner_lip_pairs,
            "height": face.height_pair,
        }
    )


def expression_basis(face: FaceModel) -> Float[np.ndarray, "53 v 3"]:
    """Return the displacements of the 50 expression coefficients and, a radian, of the jaw."""
    turns = np.concatenate([np.zeros((1, 3)), JAW_RAD * np.eye(3)]).astype(np.float32)
    posed = face_vertices(face, np.zeros((4, 50), np.float32), jaw_pose=turns)
    jaw = (np.asarray(posed[1:]) - np.asarray(posed[0])) / JAW_RAD
    return np.concatenate([np.asarray(face.expression_directions), jaw]).astype(np.float64)


def _matrix(
    source: FaceModel, target: FaceModel, correspondence: Correspondence
) -> Float[np.ndarray, "53 53"]:
    wanted = transferred(expression_basis(source), correspondence, source, target)
    weight = np.full(len(target.template), _IMPORTANCE["rest"])
    weight[front(target)] = _IMPORTANCE["face"]
    weight[target.regions["lips"]] = _IMPORTANCE["lips"]
    own = expression_basis(target).reshape(53, -1)
    weighted = own * np.repeat(weight, 3)
    square = weighted @ own.T
    energy = np.diag(square)
    ridge = np.concatenate([np.full(50, energy[:50].mean()), energy[50:]])
    return np.linalg.solve(square + RIDGE * np.diag(ridge), weighted @ wanted.reshape(53, -1).T).T


def _moved(face: FaceModel, clip: MotionClip, frames) -> Float[np.ndarray, "t v 3"]:
    exp, jaw = clip.exp[frames], clip.jaw_pose[frames]
    eyes = clip.eyes_pose[frames]
    posed = face_vertices(face, exp, jaw_pose=jaw, eyes_pose=eyes)
    return np.asarray(posed) - np.asarray(face.template)


def _stored(map_: Retargeting) -> dict[str, np.ndarray]:
    return {"matrix": map_.matrix, **map_.correspondence._asdict()}


def _kept(source: FaceModel, target: FaceModel) -> Path | None:
    """Return the pair's place in the cache; None if no cache can be written."""
    try:
        folder = cache_folder() / "retargeting"
    except InputError:
        return None
    return folder / f"{face_digest(source)[:20]}-{face_digest(target)[:20]}-{VERSION}.npz"


def _read(path: Path, target: FaceModel) -> Retargeting | None:
    """Return a map from the cache; None if there is none, or if the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            matrix = archive["matrix"]
            correspondence = Correspondence(
                triangles=archive["triangles"],
                barycentric=archive["barycentric"],
                scale=float(archive["scale"]),
                rotation=archive["rotation"],
                place=archive["place"],
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    whole = matrix.shape == (53, 53) and len(correspondence.triangles) == len(target.template)
    return Retargeting(matrix, correspondence) if whole else None
