"""USD as text (.usda): the head with ARKit's 52 blend shapes, skinned, with its animation.

`SkelAnimation` has `blendShapes` and time samples of `blendShapeWeights`, and the rotations of head
and neck. The mesh has `skel:blendShapes`, `skel:blendShapeTargets` and a `BlendShape` child for
each shape, with the vertices that move. A time code is a frame; `timeCodesPerSecond` is the rate.
The text form is written directly, so that no library is needed; every program with USD reads it.
"""

import json
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.export.gltf import JOINTS, identity, joint_places, normals
from ksdiff_jax.export.take import Take
from ksdiff_jax.face.arkit import ARKIT_NAMES, arkit_basis
from ksdiff_jax.face.model import FaceModel
from ksdiff_jax.ownership import mark

_MOVED_M = 1e-6  # a vertex that moves less is left out of a blend shape
_TURNING = JOINTS[:2]  # the shapes contain jaw and eyes


def write_usd(path: Path, take: Take) -> None:
    """Write the stage."""
    face = take.shown_face
    points = identity(face, take.motion.shape)
    last = len(take) - 1
    header = [
        "#usda 1.0",
        "(",
        f'    doc = "{mark("usd")}"',
        '    defaultPrim = "Head"',
        "    metersPerUnit = 1",
        '    upAxis = "Y"',
        f"    startTimeCode = 0\n    endTimeCode = {last}",
        f"    timeCodesPerSecond = {take.fps:g}\n    framesPerSecond = {take.fps:g}",
        ")",
        "",
        'def SkelRoot "Head" (prepend apiSchemas = ["SkelBindingAPI"])',
        "{",
        f"    custom string name = {json.dumps(take.name)}",
    ]
    body = [_skeleton(face, points), _animation(take), _mesh(face, points)]
    path.write_text("\n".join([*header, *body, "}", ""]), encoding="utf-8")


def _skeleton(face: FaceModel, points: np.ndarray) -> str:
    places = joint_places(face, points)
    rest = [
        places[joint] - (places[parent] if parent >= 0 else 0)
        for joint, parent in enumerate(face.parents)
    ]
    return f"""
    def Skeleton "Skeleton" (prepend apiSchemas = ["SkelBindingAPI"])
    {{
        rel skel:animationSource = </Head/Animation>
        uniform token[] joints = {_names(_paths(face))}
        uniform matrix4d[] bindTransforms = [{", ".join(map(_matrix, places))}]
        uniform matrix4d[] restTransforms = [{", ".join(map(_matrix, rest))}]
    }}"""


def _animation(take: Take) -> str:
    face = take.shown_face
    places = joint_places(face, identity(face, take.motion.shape))
    turning = [JOINTS.index(name) for name in _TURNING]
    rest = [
        places[joint] - (places[face.parents[joint]] if face.parents[joint] >= 0 else 0)
        for joint in turning
    ]
    turns = [Rotation.from_rotvec(take.shown_turns[name]).as_quat() for name in _TURNING]
    turns = np.roll(np.stack(turns, axis=1), 1, axis=2)  # the real part first
    weights = [
        f"            {frame}: [{', '.join(f'{w:.5g}' for w in row)}],"
        for frame, row in enumerate(take.arkit.tolist())
    ]
    rotations = [f"            {frame}: {_tuples(row, '%.7g')}," for frame, row in enumerate(turns)]
    samples = "\n".join
    return f"""
    def SkelAnimation "Animation"
    {{
        uniform token[] blendShapes = {_names(ARKIT_NAMES)}
        float[] blendShapeWeights.timeSamples = {{
{samples(weights)}
        }}
        uniform token[] joints = {_names([_paths(face)[joint] for joint in turning])}
        quatf[] rotations.timeSamples = {{
{samples(rotations)}
        }}
        half3[] scales = [{", ".join(["(1, 1, 1)"] * len(turning))}]
        float3[] translations = {_tuples(np.array(rest), "%.7g")}
    }}"""


def _mesh(face: FaceModel, points: np.ndarray) -> str:
    faces = np.asarray(face.faces)
    weights = np.asarray(face.skinning_weights)
    targets = [f"</Head/Mesh/{name}>" for name in ARKIT_NAMES]
    bindings = {
        "rel skel:skeleton": "</Head/Skeleton>",
        "uniform token[] skel:blendShapes": _names(ARKIT_NAMES),
        "rel skel:blendShapeTargets": f"[{', '.join(targets)}]",
    }
    width = weights.shape[1]
    indices = np.tile(np.arange(width), len(points))
    size = f'elementSize = {width}\n            interpolation = "vertex"'
    shapes = [
        _blend_shape(name, shape)
        for name, shape in zip(ARKIT_NAMES, arkit_basis(face), strict=True)
    ]
    vertex = 'interpolation = "vertex"'
    colours = _tuples(np.clip(face.colours, 0, 1), "%.4g")
    return f"""
    def Mesh "Mesh" (prepend apiSchemas = ["SkelBindingAPI"])
    {{
        uniform token subdivisionScheme = "none"
        int[] faceVertexCounts = {_numbers(np.full(len(faces), 3))}
        int[] faceVertexIndices = {_numbers(faces.ravel())}
        point3f[] points = {_tuples(points, "%.7g")}
        normal3f[] normals = {_tuples(normals(points, faces), "%.5g")} ({vertex})
        color3f[] primvars:displayColor = {colours} ({vertex})
        int[] primvars:skel:jointIndices = {_numbers(indices)} (
            {size}
        )
        float[] primvars:skel:jointWeights = {_numbers(weights.ravel(), "%.5g")} (
            {size}
        )
{"".join(f"        {name} = {value}" + chr(10) for name, value in bindings.items())}
{"".join(shapes)}
    }}"""


def _blend_shape(name: str, shape: np.ndarray) -> str:
    moved = np.flatnonzero(np.abs(shape).max(axis=1) > _MOVED_M)
    return f"""
        def BlendShape "{name}"
        {{
            uniform vector3f[] offsets = {_tuples(shape[moved], "%.5g")}
            uniform int[] pointIndices = {_numbers(moved)}
        }}"""


def _paths(face: FaceModel) -> list[str]:
    paths: list[str] = []
    for name, parent in zip(JOINTS, face.parents, strict=True):
        paths.append(f"{paths[parent]}/{name}" if parent >= 0 else name)
    return paths


def _matrix(place: np.ndarray) -> str:
    x, y, z = place.tolist()
    return f"((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), ({x:.7g}, {y:.7g}, {z:.7g}, 1))"


def _names(names) -> str:
    return f"[{', '.join(json.dumps(name) for name in names)}]"


def _numbers(values: np.ndarray, form: str = "%d") -> str:
    return f"[{', '.join([form] * len(values)) % tuple(values.tolist())}]"


def _tuples(rows: np.ndarray, form: str) -> str:
    one = f"({', '.join([form] * rows.shape[1])})"
    return f"[{', '.join([one] * len(rows)) % tuple(rows.ravel().tolist())}]"
