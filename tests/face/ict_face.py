"""The ICT face of the shared data as a face in FLAME's form: a topology that is not ours.

Its expression directions are its own named shapes; jaw weights and hinge are read off its jawOpen.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.face import FaceModel
from ksdiff_jax.face.arkit import ARKIT_NAMES
from ksdiff_jax.face.head.parts import inside_polygon
from ksdiff_jax.typing import Float

# Vertices of the file that are kept, face with head and neck, and eyeballs; sockets, gums and teeth
# are left out. Then their ranges among those kept.
IN_FILE = np.r_[0:11248, 21451:24591]
SKIN = slice(0, 11248)
BALLS = (slice(11248, 12818), slice(12818, 14388))
KEPT = len(IN_FILE)
OUTER_LIPS, INNER_LIP_PAIRS = slice(48, 60), ((61, 67), (62, 66), (63, 65))  # of 68 landmarks
CHIN, NOSE_ROOT = 8, 27
# The parts of ICT's face that carry a shape by itself, not by joints.
WITHOUT = ("PupilDilate", "eyeLook")


class IctFace(NamedTuple):
    face: FaceModel
    shapes: dict[str, Float[np.ndarray, "v 3"]]  # metres, by ARKit's names


def ict_face(folder: Path) -> IctFace:
    with np.load(folder / "ict_facekit_compact.npz") as stored:
        points = stored["neutral"][IN_FILE].astype(np.float64) / 100
        quads = stored["faces_quad"]
        names = [str(name) for name in stored["expr_names"]]
        deltas = stored["expr_delta"][:, IN_FILE].astype(np.float64) / 100
    marks = np.array(
        json.loads((folder / "ict_vertex_indices.json").read_text())["idx_to_landmark_verts"]
    )
    used = [k for k, name in enumerate(names) if not name.startswith(WITHOUT)]
    directions = np.zeros((50, KEPT, 3))
    directions[: len(used)] = deltas[used]
    weights, hinge = _jaw(points, deltas[names.index("jawOpen")])
    places = np.zeros((KEPT, 5))
    places[:, 2] = weights
    for k, ball in enumerate(BALLS):
        places[ball] = np.eye(5)[3 + k]
    places[:, 1] = 1 - places.sum(axis=1)
    joints = np.stack([hinge * [0, 1, 1]] * 3 + [points[ball].mean(axis=0) for ball in BALLS])
    faces = np.concatenate([quads[:, :3], quads[:, [0, 2, 3]][quads[:, 3] >= 0]])
    row = np.full(quads.max() + 1, -1)
    row[IN_FILE] = np.arange(KEPT)
    faces = row[faces]
    face = FaceModel(
        template=np.float32(points),
        shape_directions=np.zeros((100, KEPT, 3), np.float32),
        expression_directions=np.float32(directions),
        pose_correctives=None,
        joint_regressor=np.float32(_regressor(points, joints)),
        skinning_weights=np.float32(places),
        faces=faces[(faces >= 0).all(axis=1)].astype(np.int32),
        colours=np.full((KEPT, 3), 0.5, np.float32),
        gloss=np.full(KEPT, 0.2, np.float32),
        regions=_regions(points, marks),
        inner_lip_pairs=np.int32([[marks[a], marks[b]] for a, b in INNER_LIP_PAIRS]),
        height_pair=np.int32([_forehead(points, marks), marks[CHIN]]),
        name="ICT",
    )
    return IctFace(face, _named(names, deltas))


def _jaw(points, opened):
    """Weights and hinge of the rotation that jawOpen is where it is strongest."""
    size = np.linalg.norm(opened[SKIN], axis=1)
    chin = np.flatnonzero(size > 0.8 * size.max())
    before, after = points[chin], points[chin] + opened[chin]
    u, _, vt = np.linalg.svd((after - after.mean(axis=0)).T @ (before - before.mean(axis=0)))
    turn = u @ vt
    away = after.mean(axis=0) - turn @ before.mean(axis=0)
    hinge = np.linalg.lstsq(np.eye(3) - turn, away, rcond=1e-6)[0] * [0, 1, 1]
    whole = (points - hinge) @ (turn - np.eye(3)).T
    share = np.sum(whole * opened, axis=1) / np.maximum(np.sum(whole**2, axis=1), 1e-8)
    return np.clip(share, 0, 1), hinge


def _regions(points, marks):
    _, y, z = points.T
    lips = points[marks[OUTER_LIPS]]
    outline = lips[:, :2].mean(axis=0) + 1.05 * (lips[:, :2] - lips[:, :2].mean(axis=0))
    on_lips = inside_polygon(points[:, :2], outline) & (np.abs(z - lips[:, 2].mean()) < 0.02)
    skin = np.zeros(KEPT, bool)
    skin[SKIN] = True
    root, chin = points[marks[NOSE_ROOT]], points[marks[CHIN]]
    eyes = np.zeros(KEPT, bool)
    for ball in BALLS:
        middle = points[ball].mean(axis=0)
        eyes |= skin & (np.linalg.norm(points - middle, axis=1) < 0.022)
        eyes[ball] = True
    upper = skin & (np.abs(y - root[1] - 0.02) < 0.045) & (z > root[2] - 0.06)
    chosen = {
        "lips": on_lips & skin,
        "upper_face": upper,
        "eyes": eyes,
        "neck": skin & (y < chin[1] - 0.015),
    }
    return {name: np.flatnonzero(mask).astype(np.int32) for name, mask in chosen.items()}


def _forehead(points, marks):
    chin, root = points[marks[CHIN]], points[marks[NOSE_ROOT]]
    top = chin[1] + 1.49 * (root[1] - chin[1])
    skin = points[SKIN]
    return np.argmin(
        np.abs(skin[:, 1] - top) + 3 * np.abs(skin[:, 0]) + (skin[:, 2] < root[2] - 0.05)
    )


def _regressor(points, joints):
    """Weights that sum to 1 and give each joint, over the whole mesh."""
    system = np.concatenate([points.T, np.ones((1, len(points)))])
    return np.stack([np.linalg.pinv(system) @ np.append(joint, 1.0) for joint in joints])


def _named(names, deltas):
    """ARKit's shapes among ICT's; halves that ARKit does not tell apart are added up."""
    table = dict(zip(names, deltas, strict=True))
    shapes = {}
    for name in ARKIT_NAMES:
        stem = name.removesuffix("Left").removesuffix("Right")
        halves = [f"{stem}_L", f"{stem}_R"]
        if name in table:
            shapes[name] = table[name]
        elif name.endswith("Left") or name.endswith("Right"):
            own = halves[0] if name.endswith("Left") else halves[1]
            if own in table:
                shapes[name] = table[own]
        elif all(half in table for half in halves):
            shapes[name] = sum(table[half] for half in halves)
    return shapes
