"""Reads faces from FLAME's own files: `.npz`, and the official `.pkl` without executing it.

| key | shape |
|---|---|
| v_template | (v, 3) |
| shapedirs | (v, 3, 400): 300 shape then 100 expression directions (or 100 + 50) |
| posedirs | (v, 3, 36) |
| J_regressor | (5, v) |
| weights | (v, 5) |
| kintree_table | (2, 5) |
| f | (n, 3) |

The first 100 shape and 50 expression directions are kept. Regions come from the file itself
(`region_lips`, ..., `inner_lip_pairs`, `height_pair`; our own addition), or from `FLAME_masks.pkl`
or `FLAME_masks.npz` beside it, or, on FLAME's topology of 5,023 vertices, from its 68 landmarks.
"""

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.face.builtin import builtin_face
from ksdiff_jax.face.flame_regions import FLAME_VERTICES, flame_regions, painted_vertices
from ksdiff_jax.face.model import PARENTS, FaceModel
from ksdiff_jax.foreign.array_archive import read_npz
from ksdiff_jax.foreign.file_kind import FileKind, checked_kind
from ksdiff_jax.foreign.pickle_file import as_array, plain, read_pickled_value, text_keys
from ksdiff_jax.foreign.stand_ins import Held
from ksdiff_jax.foreign.torch_file import is_torch_archive
from ksdiff_jax.motion.space import BUILTIN, FLAME
from ksdiff_jax.typing import Float

_NEEDED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")
_OWN_KEYS = (
    *(f"region_{name}" for name in ("lips", "upper_face", "eyes", "neck")),
    "inner_lip_pairs",
    "height_pair",
)
_MASK_FILES = ("FLAME_masks.npz", "FLAME_masks.pkl")
# Total directions in a file -> index of its first expression direction.
_EXPRESSION_START = {400: 300, 150: 100}
_WHAT = "face model"
_PICKLES = (".pkl", ".pickle", ".p")
_SUM_TOLERANCE = 1e-2
# Models with the same keys, by their number of vertices.
_OTHER_MODELS = {6890: "SMPL body", 10475: "SMPL-X body", 778: "MANO hand"}


def load_face(path: str | Path) -> FaceModel:
    """Read a FLAME model from `.npz` or `.pkl`; raise `InputError` with one line for any other
    file.
    """
    path = Path(path)
    arrays = _read(path, {*_NEEDED, *_OWN_KEYS})
    missing = [key for key in _NEEDED if key not in arrays]
    if missing:
        raise InputError(
            f"{path}: not a FLAME model, it lacks {', '.join(missing)}; give a FLAME .npz or .pkl"
        )
    template = _array(arrays, "v_template", path)
    if template.ndim != 2 or len(template) == 0:
        raise InputError(
            f"{path}: v_template is {template.shape}, needed (v, 3); this is not a FLAME model"
        )
    vertices = len(template)
    if vertices in _OTHER_MODELS:
        raise InputError(
            f"{path}: a {_OTHER_MODELS[vertices]} of {vertices} vertices; a FLAME head is needed"
        )
    directions = _array(arrays, "shapedirs", path)
    total = directions.shape[-1] if directions.ndim == 3 else 0
    if total not in _EXPRESSION_START:
        raise InputError(
            f"{path}: shapedirs is {directions.shape}; FLAME has 400 directions, (v, 3, 400)"
        )
    stored = {"v_template": template, "shapedirs": directions}
    stored |= {key: _array(arrays, key, path) for key in _NEEDED if key not in stored}
    _check(path, stored)
    weights, regressor = stored["weights"], stored["J_regressor"]
    joints = regressor @ template
    found = flame_regions(template, joints, weights, _stored_regions(arrays, path), path=path)
    start = _EXPRESSION_START[total]
    colours, gloss = painted_vertices(template, joints, weights, found.regions["lips"])
    return FaceModel(
        template=_single(template),
        shape_directions=_single(directions[:, :, :100].transpose(2, 0, 1)),
        expression_directions=_single(directions[:, :, start : start + 50].transpose(2, 0, 1)),
        pose_correctives=_single(stored["posedirs"].transpose(2, 0, 1)),
        joint_regressor=_single(regressor),
        skinning_weights=_single(weights),
        faces=stored["f"].astype(np.int32),
        colours=_single(colours),
        gloss=_single(gloss),
        regions=found.regions,
        inner_lip_pairs=found.inner_lip_pairs,
        height_pair=found.height_pair,
        name=f"{path.stem} ({vertices} vertices)",
        licence="as the file's owner licenses it",
        space=_space(directions[:, :, start : start + 50]),
    )


def _space(expression_directions: Float[np.ndarray, "v 3 50"]) -> str:
    """Return "flame", or "builtin" for a file with the built-in head's own expression
    directions.
    """
    if len(expression_directions) == FLAME_VERTICES:
        return FLAME.name
    own = builtin_face().expression_directions
    given = expression_directions.transpose(2, 0, 1)
    same = given.shape == own.shape and np.allclose(given, own, atol=1e-6)
    return BUILTIN.name if same else FLAME.name


def _read(path: Path, wanted: Container[str] | None = None) -> dict[str, Any]:
    """Read the arrays of a file by name; its format is determined from its content, otherwise from
    its name.
    """
    kind = checked_kind(path, what=_WHAT)
    if kind is FileKind.ZIP and not is_torch_archive(path):
        return read_npz(path, what=_WHAT, wanted=wanted)
    if kind in (FileKind.OTHER, FileKind.MATLAB) and path.suffix.lower() not in _PICKLES:
        raise InputError(
            f"{path}: a face model is a FLAME .npz or .pkl, this ends in '{path.suffix}'"
        )
    content = plain(read_pickled_value(path, what=_WHAT))
    if isinstance(content, Held):
        content = content.state
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: holds a {type(content).__name__}; a face model is a dictionary of arrays"
        )
    return text_keys(content)


def _array(arrays: dict, key: str, path: Path) -> Float[np.ndarray, "..."]:
    """Return finite numbers as float64; raise `InputError` with the key for anything else."""
    try:
        array = as_array(arrays[key])
    except InputError as error:
        raise InputError(f"{path}: {key} {error}") from error
    if array.dtype.kind not in "fiu":
        raise InputError(f"{path}: {key} is not an array of numbers, but of {array.dtype}")
    with np.errstate(all="ignore"):  # values that are not finite as float32 are counted below
        array = array.astype(np.float64)
        bad = int(array.size - np.isfinite(array.astype(np.float32)).sum())
    if bad:
        raise InputError(f"{path}: {key} holds values that are not finite ({bad} of {array.size})")
    return array


def _check(path: Path, stored: Mapping[str, Float[np.ndarray, "..."]]) -> None:
    """Raise `InputError` if shapes or values of the arrays of a file, by their names in it, are not
    those of a FLAME model.
    """
    v, faces = len(stored["v_template"]), stored["f"]
    needed_shapes = {
        "v_template": (v, 3),
        "shapedirs": (v, 3, *stored["shapedirs"].shape[2:]),
        "posedirs": (v, 3, 36),
        "J_regressor": (5, v),
        "weights": (v, 5),
        "f": (len(faces), 3),
        "kintree_table": (2, 5),
    }
    for key, needed in needed_shapes.items():
        if stored[key].shape != needed:
            raise InputError(
                f"{path}: {key} is {stored[key].shape}, needed {needed}; this is not a FLAME model"
            )
    if faces.size == 0 or faces.min() < 0 or faces.max() >= v or (faces % 1).any():
        raise InputError(f"{path}: f refers to vertices outside 0..{v - 1}")
    for key, sums, least in (
        ("weights", stored["weights"].sum(axis=1), stored["weights"].min()),
        ("J_regressor", stored["J_regressor"].sum(axis=1), 0.0),
    ):
        if np.abs(sums - 1).max() > _SUM_TOLERANCE or least < -_SUM_TOLERANCE:
            raise InputError(
                f"{path}: a row of {key} sums to {sums[np.abs(sums - 1).argmax()]:.3g}, not to 1; "
                "damaged?"
            )
    parents = tuple(int(p) if 0 <= p < 5 else -1 for p in stored["kintree_table"][0])
    if parents != PARENTS:
        raise InputError(f"{path}: joint parents {parents}; FLAME's are {PARENTS}")


def _stored_regions(arrays: dict, path: Path) -> dict[str, np.ndarray]:
    """Return the masks in the model file itself, otherwise those in a masks file beside it."""
    if own := {key: as_array(arrays[key]) for key in _OWN_KEYS if key in arrays}:
        return own
    for name in _MASK_FILES:
        if (path.parent / name).is_file():
            masks = _read(path.parent / name)
            return {f"mask_{key}": as_array(value) for key, value in masks.items()}
    return {}


def _single(array: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    return np.ascontiguousarray(array, dtype=np.float32)
