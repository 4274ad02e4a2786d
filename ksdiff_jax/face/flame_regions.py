"""Regions, measuring points and colours for a face read from a FLAME file.

FLAME files contain none of these. The ids below are facts about FLAME's topology: the vertices of
the chin, the root of the nose and the mouth, in the usual order of 68 facial landmarks. Everything
else is computed from the template's geometry and its joints.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.face.head.parts import inside_polygon
from ksdiff_jax.typing import Float, Int

FLAME_VERTICES = 5023
_CHIN, _NOSE_ROOT, _NOSE_BASE = 3414, 3560, 3556
_OUTER_LIPS = (2820, 2864, 2774, 3543, 1657, 1749, 1703, 1774, 1802, 3503, 2905, 2881)
_INNER_LIP_PAIRS = ((2787, 2907), (3531, 3504), (1670, 1804))
# Ratio of the heights chin to hairline and chin to root of the nose, on an average face.
_FACE_PROPORTION = 1.49
_SKIN = (0.60, 0.37, 0.275)
_LIP = (0.49, 0.19, 0.165)
_WHITE, _IRIS, _PUPIL = (0.72, 0.70, 0.68), (0.075, 0.125, 0.145), (0.004, 0.004, 0.005)


class Measured(NamedTuple):
    """The fields that `FaceModel` needs in addition to FLAME's arrays."""

    regions: dict[str, Int[np.ndarray, "_"]]
    inner_lip_pairs: Int[np.ndarray, "_ 2"]
    height_pair: Int[np.ndarray, "2"]


def flame_regions(
    template: Float[np.ndarray, "v 3"],
    joints: Float[np.ndarray, "5 3"],
    weights: Float[np.ndarray, "v 5"],
    stored: dict[str, np.ndarray],
    *,
    path: Path,
) -> Measured:
    """Return regions from stored masks if there are any, the rest from landmarks and geometry."""
    regions = {
        name: _indices(stored[f"region_{name}"], len(template), path)
        for name in ("lips", "upper_face", "eyes", "neck")
        if f"region_{name}" in stored
    }
    own_points = {"inner_lip_pairs", "height_pair"} <= stored.keys()
    if len(regions) == 4 and own_points:
        pairs, height = (
            _indices(stored[key], len(template), path) for key in ("inner_lip_pairs", "height_pair")
        )
        if pairs.size % 2 or height.size != 2:
            raise InputError(
                f"{path}: inner_lip_pairs {pairs.shape} and height_pair {height.shape} are not "
                "pairs"
            )
        return Measured(regions, pairs.reshape(-1, 2), height.reshape(2))
    if len(template) != FLAME_VERTICES:
        raise InputError(
            f"{path}: {len(template)} vertices, FLAME has {FLAME_VERTICES}; another topology must "
            "have its own region_lips, region_upper_face, region_eyes, region_neck, "
            "inner_lip_pairs and height_pair"
        )
    regions = {
        **_derived_regions(template, joints, weights),
        **_from_masks(stored, len(template), path),
        **regions,
    }
    return Measured(regions, np.array(_INNER_LIP_PAIRS, np.int32), _height_pair(template))


def painted_vertices(
    template: Float[np.ndarray, "v 3"],
    joints: Float[np.ndarray, "5 3"],
    weights: Float[np.ndarray, "v 5"],
    lips: Int[np.ndarray, "_"],
) -> tuple[Float[np.ndarray, "v 3"], Float[np.ndarray, "v"]]:
    """Return colours and gloss for a mesh that has none: skin, lips, and eyes that look along
    +z.
    """
    colours = np.tile(np.array(_SKIN), (len(template), 1))
    gloss = np.full(len(template), 0.22)
    colours[lips], gloss[lips] = _LIP, 0.5
    for joint in (3, 4):
        ball = np.flatnonzero(weights[:, joint] > 0.5)
        if len(ball) == 0:
            continue
        away = template[ball] - template[ball].mean(axis=0)
        angle = np.degrees(np.arctan2(np.hypot(away[:, 0], away[:, 1]), away[:, 2]))
        colours[ball] = np.where(
            angle[:, None] < 13, _PUPIL, np.where(angle[:, None] < 29, _IRIS, _WHITE)
        )
        gloss[ball] = 1.0
    return colours, gloss


def _derived_regions(template, joints, weights) -> dict[str, np.ndarray]:
    """Compute the regions on FLAME's topology: lips inside the outer lip landmarks, the others by
    height and by distance from the eyes.
    """
    _, y, z = template.T
    lips = template[list(_OUTER_LIPS)]
    middle = lips[:, :2].mean(axis=0)
    outline = middle + 1.08 * (lips[:, :2] - middle)
    on_lips = inside_polygon(template[:, :2], outline) & (np.abs(z - lips[:, 2].mean()) < 0.02)
    eyeballs = weights[:, 3:].max(axis=1) > 0.5
    near_eyes = (
        np.min([np.linalg.norm(template - joint, axis=1) for joint in joints[3:]], axis=0) < 0.026
    )
    upper = (
        (y > y[_NOSE_ROOT] - 0.025)
        & (y < y[_NOSE_ROOT] + 0.065)
        & (z > joints[1, 2] + 0.03)
        & ~eyeballs
    )
    masks = {
        "lips": on_lips,
        "upper_face": upper,
        "eyes": eyeballs | (near_eyes & (z > joints[3, 2])),
        "neck": y < y[_CHIN] - 0.015,
    }
    return {name: np.flatnonzero(mask).astype(np.int32) for name, mask in masks.items()}


def _from_masks(stored: dict[str, np.ndarray], vertices: int, path: Path) -> dict[str, np.ndarray]:
    """Return the regions of FLAME's own mask file that correspond to ours."""
    sources = {
        "lips": ("lips",),
        "upper_face": ("forehead", "eye_region"),
        "eyes": ("left_eyeball", "right_eyeball", "eye_region"),
        "neck": ("neck",),
    }
    found = {}
    for name, keys in sources.items():
        held = [stored[f"mask_{key}"] for key in keys if f"mask_{key}" in stored]
        if len(held) == len(keys):
            found[name] = _indices(
                np.unique(np.concatenate([np.ravel(h) for h in held])), vertices, path
            )
    return found


def _height_pair(template: Float[np.ndarray, "v 3"]) -> Int[np.ndarray, "2"]:
    top = template[_CHIN, 1] + _FACE_PROPORTION * (template[_NOSE_ROOT, 1] - template[_CHIN, 1])
    off = (
        np.abs(template[:, 1] - top)
        + 3 * np.abs(template[:, 0])
        + 1.0 * (template[:, 2] < template[_NOSE_ROOT, 2] - 0.05)
    )
    return np.array([np.argmin(off), _CHIN], np.int32)


def _indices(values: np.ndarray, vertices: int, path: Path) -> Int[np.ndarray, "..."]:
    if (
        values.dtype.kind not in "iu"
        or values.size == 0
        or values.min() < 0
        or values.max() >= vertices
    ):
        raise InputError(f"{path}: a region is not a list of vertices in 0..{vertices - 1}")
    return values.astype(np.int32)
