"""glTF 2.0 binaries (.glb): a talking head for Blender, Unity, three.js and Unreal.

| format | morph targets | weights |
|---|---|---|
| glb | 52 of ARKit, then 15 visemes (`viseme_sil` to `viseme_U`) | ARKit's; visemes zero |
| glb-exact | the 50 expression components of the face | the motion's own, of any sign |

Both are skinned: the joints head, neck, jaw, left eye and right eye have the rotations of the
motion. In `glb`, the shapes contain jaw and eyes, so that only head and neck turn; the built-in
head has its tongue, hair and shirt (`face.dressed`), and shares its turn between root and neck, so
that the shoulders stay behind. `glb-exact` is the head alone with the motion's own rotations. The
viseme targets are there to be driven by a rig; at weight 0 they do not add to ARKit's.

Joints do not depend on the expression, so a face without pose correctives is exact in `glb-exact`;
a FLAME file's pose correctives are left out.

A file is a header of 12 bytes, a chunk of JSON and a chunk of arrays: `Chunk` collects the arrays.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.errors import InputError
from ksdiff_jax.export.take import Take
from ksdiff_jax.export.viseme_shapes import VISEME_TARGETS, viseme_shapes
from ksdiff_jax.face.arkit import ARKIT_NAMES, arkit_basis
from ksdiff_jax.face.dressed import dressed_pieces
from ksdiff_jax.face.model import FaceModel
from ksdiff_jax.ownership import mark
from ksdiff_jax.typing import Float

LARGEST_BYTES = 2**31 - 1  # many readers hold offsets in signed 32-bit integers
JOINTS = ("head", "neck", "jaw", "left_eye", "right_eye")
_TYPES = {"f": 5126, "I": 5125, "B": 5121}
_ARRAY_BUFFER, _INDEX_BUFFER = 34962, 34963


def write_glb(path: Path, take: Take) -> None:
    """Write the head with ARKit's 52 targets and the 15 visemes."""
    dressed = take.shown_face is not take.own_face
    faces = dressed_pieces() if dressed else (take.own_face,)
    shapes = arkit_basis(faces[0])
    targets = np.concatenate([shapes, viseme_shapes(shapes, faces[0])])
    weights = np.pad(take.arkit, [(0, 0), (0, len(VISEME_TARGETS))])
    names = (*ARKIT_NAMES, *VISEME_TARGETS)
    _write(
        *(path, take, "glb"),
        faces=faces,
        targets=dict(zip(names, targets, strict=True)),
        weights=weights,
        turning=take.shown_turns,
    )


def write_glb_exact(path: Path, take: Take) -> None:
    """Write the head with the expression components as targets and all five joints turning."""
    face = take.own_face
    targets = np.asarray(face.expression_directions, np.float32)
    _write(
        *(path, take, "glb-exact"),
        faces=(face,),
        targets={f"expression_{number:02d}": shape for number, shape in enumerate(targets)},
        weights=take.expression,
        turning={name: take.rotations(name) for name in JOINTS},
    )


def _write(
    path: Path,
    take: Take,
    kind: str,
    *,
    faces: Sequence[FaceModel],
    targets: Mapping[str, Float[np.ndarray, "v 3"]],
    weights: Float[np.ndarray, "t n"],
    turning: Mapping[str, Float[np.ndarray, "t 3"]],
) -> None:
    """Write `targets` on the first of `faces`; the others are meshes without targets."""
    face, *others = faces
    points = identity(face, take.motion.shape)
    check_size(vertices=len(points), targets=len(targets), frames=len(take), name=str(take.name))
    chunk = Chunk()
    attributes = _attributes(chunk, face, points)
    primitive = {
        "attributes": attributes,
        "indices": chunk.add(np.asarray(face.faces, np.uint32).ravel(), target=_INDEX_BUFFER),
        "material": 0,
        "targets": _targets(chunk, face, points, list(targets.values())),
    }
    mesh = {
        "name": "head",
        "primitives": [primitive],
        "weights": [0.0] * len(targets),
        "extras": {"targetNames": list(targets)},
    }
    nodes, skin = _skeleton(chunk, face, points)
    document = {
        "asset": {"version": "2.0", "generator": mark(kind)},
        "scene": 0,
        "scenes": [{"nodes": [0, 1, *range(1 + len(nodes), 1 + len(nodes) + len(others))]}],
        "nodes": [{"name": take.name, "mesh": 0, "skin": 0}, *nodes, *_other_nodes(others)],
        "meshes": [mesh, *(_plain_mesh(chunk, other, take) for other in others)],
        "skins": [skin],
        "materials": [
            {"name": "skin", "pbrMetallicRoughness": {"metallicFactor": 0, "roughnessFactor": 0.7}}
        ],
        "animations": [_animation(chunk, take, weights, turning)],
    }
    path.write_bytes(chunk.file(document))


def check_size(*, vertices: int, targets: int, frames: int, name: str) -> None:
    """Raise `InputError` if the file would be larger than readers accept."""
    size = vertices * (48 + 24 * targets) + frames * 4 * (1 + targets + 4 * len(JOINTS))
    if size > LARGEST_BYTES:
        raise InputError(
            f"{name}: a .glb of {frames} frames and {targets} targets would have "
            f"{size / 2**30:.2f} GiB, more than the 2 GiB that readers accept; cut the motion or "
            "lower --fps"
        )


def identity(face: FaceModel, shape: Float[np.ndarray, "100"]) -> Float[np.ndarray, "v 3"]:
    """Return the face at rest with this identity, in metres."""
    return np.asarray(face.template) + np.tensordot(shape, np.asarray(face.shape_directions), 1)


def normals(points: Float[np.ndarray, "v 3"], faces: np.ndarray) -> Float[np.ndarray, "v 3"]:
    """Return unit normals: the mean of those of the faces around, weighted by area."""
    a, b, c = (points[faces[:, corner]].astype(np.float64) for corner in range(3))
    around = np.zeros((len(points), 3))
    crosses = np.cross(b - a, c - a)
    for axis in range(3):
        for corner in range(3):
            around[:, axis] += np.bincount(
                faces[:, corner], weights=crosses[:, axis], minlength=len(points)
            )
    length = np.linalg.norm(around, axis=1, keepdims=True)
    return np.where(length > 0, around / np.maximum(length, 1e-30), [0, 0, 1]).astype(np.float32)


def joint_places(face: FaceModel, points: Float[np.ndarray, "v 3"]) -> Float[np.ndarray, "5 3"]:
    """Return the rest position of each joint."""
    return np.asarray(face.joint_regressor, np.float64) @ points


class Chunk:
    """The arrays of a file: each becomes a buffer view and an accessor."""

    def __init__(self):
        self.parts: list[bytes] = []
        self.views: list[dict] = []
        self.accessors: list[dict] = []
        self.size = 0

    def add(self, array: np.ndarray, *, target: int | None = None, bounds: bool = False) -> int:
        """Append an array; return the number of its accessor."""
        array = np.ascontiguousarray(array)
        width = array.shape[1] if array.ndim > 1 else 1
        kind = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}[width]
        data = array.tobytes()
        view = {"buffer": 0, "byteOffset": self.size, "byteLength": len(data)}
        accessor = {
            "bufferView": len(self.views),
            "componentType": _TYPES[array.dtype.char],
            "count": len(array),
            "type": kind,
        }
        if target:
            view["target"] = target
        if bounds:
            flat = array.reshape(len(array), -1)
            accessor |= {"min": flat.min(axis=0).tolist(), "max": flat.max(axis=0).tolist()}
        self.views.append(view)
        self.accessors.append(accessor)
        padding = -len(data) % 4
        self.parts.append(data + b"\0" * padding)
        self.size += len(data) + padding
        return len(self.accessors) - 1

    def file(self, document: dict) -> bytes:
        """Return the file: header, JSON, arrays."""
        document |= {
            "buffers": [{"byteLength": self.size}],
            "bufferViews": self.views,
            "accessors": self.accessors,
        }
        text = json.dumps(document, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        arrays = b"".join(self.parts)
        total = 12 + 8 + len(text) + 8 + len(arrays)
        return b"".join(
            [
                struct.pack("<4sII", b"glTF", 2, total),
                struct.pack("<I4s", len(text), b"JSON"),
                text,
                struct.pack("<I4s", len(arrays), b"BIN\0"),
                arrays,
            ]
        )


def _attributes(chunk: Chunk, face: FaceModel, points: np.ndarray) -> dict:
    faces = np.asarray(face.faces)
    weights = np.asarray(face.skinning_weights, np.float32)
    order = np.argsort(-weights, axis=1, kind="stable")[:, :4]
    kept = np.take_along_axis(weights, order, axis=1)
    kept = (kept / kept.sum(axis=1, keepdims=True)).astype(np.float32)
    arrays = {
        "POSITION": points.astype(np.float32),
        "NORMAL": normals(points, faces),
        "COLOR_0": np.pad(
            np.clip(face.colours, 0, 1).astype(np.float32), [(0, 0), (0, 1)], constant_values=1
        ),
        "JOINTS_0": np.where(kept > 0, order, 0).astype(np.uint8),
        "WEIGHTS_0": kept,
    }
    return {
        name: chunk.add(array, target=_ARRAY_BUFFER, bounds=name == "POSITION")
        for name, array in arrays.items()
    }


def _targets(
    chunk: Chunk, face: FaceModel, points: np.ndarray, targets: Sequence[np.ndarray]
) -> list[dict]:
    faces = np.asarray(face.faces)
    rest = normals(points, faces)
    return [
        {
            "POSITION": chunk.add(shape.astype(np.float32), target=_ARRAY_BUFFER, bounds=True),
            "NORMAL": chunk.add(normals(points + shape, faces) - rest, target=_ARRAY_BUFFER),
        }
        for shape in targets
    ]


def _other_nodes(others: Sequence[FaceModel]) -> list[dict]:
    return [
        {"name": "hair and shirt", "mesh": 1 + number, "skin": 0} for number in range(len(others))
    ]


def _plain_mesh(chunk: Chunk, face: FaceModel, take: Take) -> dict:
    points = identity(face, take.motion.shape)
    indices = chunk.add(np.asarray(face.faces, np.uint32).ravel(), target=_INDEX_BUFFER)
    primitive = {
        "attributes": _attributes(chunk, face, points),
        "indices": indices,
        "material": 0,
    }
    return {"name": "hair and shirt", "primitives": [primitive]}


def _skeleton(chunk: Chunk, face: FaceModel, points: np.ndarray) -> tuple[list[dict], dict]:
    """Return the nodes of the joints, numbered from 1, and the skin."""
    places = joint_places(face, points)
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(JOINTS), 1, 1))
    inverse[:, :3, 3] = -places
    nodes = []
    for joint, name in enumerate(JOINTS):
        parent = face.parents[joint]
        offset = places[joint] - (places[parent] if parent >= 0 else 0)
        node = {"name": name, "translation": offset.tolist()}
        children = [n + 1 for n, above in enumerate(face.parents) if above == joint]
        nodes.append(node | ({"children": children} if children else {}))
    columns = inverse.transpose(0, 2, 1).reshape(len(JOINTS), 16)  # glTF stores columns
    skin = {"joints": [n + 1 for n in range(len(JOINTS))], "inverseBindMatrices": None}
    skin["inverseBindMatrices"] = chunk.add(columns)
    return nodes, skin


def _animation(
    chunk: Chunk, take: Take, weights: Float[np.ndarray, "t n"], turning: Mapping[str, np.ndarray]
) -> dict:
    times = chunk.add(take.times_s.astype(np.float32), bounds=True)
    samplers = [{"input": times, "output": chunk.add(weights.astype(np.float32).ravel())}]
    channels = [{"sampler": 0, "target": {"node": 0, "path": "weights"}}]
    for name, rotations in turning.items():
        turns = Rotation.from_rotvec(rotations).as_quat().astype(np.float32)
        turns /= np.linalg.norm(turns, axis=1, keepdims=True)
        channels.append(
            {
                "sampler": len(samplers),
                "target": {"node": 1 + JOINTS.index(name), "path": "rotation"},
            }
        )
        samplers.append({"input": times, "output": chunk.add(turns)})
    return {
        "name": take.name,
        "samplers": [sampler | {"interpolation": "LINEAR"} for sampler in samplers],
        "channels": channels,
    }
