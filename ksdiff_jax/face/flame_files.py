"""Faces from FLAME's own files: `.npz`, and the official `.pkl` read without running it.

| key | shape |
|---|---|
| v_template | (v, 3) |
| shapedirs | (v, 3, 400): 300 shape then 100 expression directions (or 100 + 50) |
| posedirs | (v, 3, 36) |
| J_regressor | (5, v) |
| weights | (v, 5) |
| kintree_table | (2, 5) |
| f | (n, 3) |

The first 100 shape and 50 expression directions are kept. Regions come from the file itself (`region_lips`, ...,
`inner_lip_pairs`, `height_pair`; our own addition), or from `FLAME_masks.pkl` or `FLAME_masks.npz` beside it, or, on
FLAME's topology of 5,023 vertices, from its 68 landmarks.
"""

import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from ksdiff_jax.errors import InputError
from ksdiff_jax.face.flame_regions import flame_regions, painted_vertices
from ksdiff_jax.face.inert_pickle import read_pickle
from ksdiff_jax.face.model import PARENTS, FaceModel
from ksdiff_jax.typing import Float

_MAX_BYTES = 400_000_000
_NEEDED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")
_MASK_FILES = ("FLAME_masks.npz", "FLAME_masks.pkl")
# Total directions in a file -> where its expression directions begin.
_EXPRESSION_START = {400: 300, 150: 100}


def load_face(path: str | Path) -> FaceModel:
    """Read a FLAME model from `.npz` or `.pkl`; raises `InputError` with one line for anything else."""
    path = Path(path)
    arrays = _read(path)
    missing = [key for key in _NEEDED if key not in arrays]
    if missing:
        raise InputError(f"{path}: not a FLAME model, it lacks {', '.join(missing)}; give a FLAME .npz or .pkl")
    template = _array(arrays, "v_template", path)
    vertices = len(template)
    directions = _array(arrays, "shapedirs", path)
    total = directions.shape[-1] if directions.ndim == 3 else 0
    if total not in _EXPRESSION_START:
        raise InputError(f"{path}: shapedirs is {directions.shape}; FLAME has 400 directions, (v, 3, 400)")
    weights, regressor = _array(arrays, "weights", path), _array(arrays, "J_regressor", path)
    correctives, faces = _array(arrays, "posedirs", path), _array(arrays, "f", path).astype(np.int64)
    _check(path, template, directions, weights, regressor, correctives, faces)
    parents = tuple(int(p) if 0 <= p < 5 else -1 for p in _array(arrays, "kintree_table", path)[0])
    if parents != PARENTS:
        raise InputError(f"{path}: joint parents {parents}; FLAME's are {PARENTS}")
    joints = regressor @ template
    found = flame_regions(template, joints, weights, _stored_regions(arrays, path), path=path)
    start = _EXPRESSION_START[total]
    colours, gloss = painted_vertices(template, joints, weights, found.regions["lips"])
    return FaceModel(
        template=_single(template),
        shape_directions=_single(directions[:, :, :100].transpose(2, 0, 1)),
        expression_directions=_single(directions[:, :, start : start + 50].transpose(2, 0, 1)),
        pose_correctives=_single(correctives.transpose(2, 0, 1)),
        joint_regressor=_single(regressor),
        skinning_weights=_single(weights),
        faces=faces.astype(np.int32),
        colours=_single(colours),
        gloss=_single(gloss),
        regions=found.regions,
        inner_lip_pairs=found.inner_lip_pairs,
        height_pair=found.height_pair,
        name=f"{path.stem} ({vertices} vertices)",
        licence="as the file's owner licenses it",
    )


def _read(path: Path) -> dict:
    if not path.exists():
        raise InputError(f"{path}: no such file; give a FLAME .npz or .pkl")
    if path.is_dir():
        raise InputError(f"{path}: a folder; name the FLAME .npz or .pkl inside it")
    if path.suffix == ".npz":
        return _read_npz(path)
    if path.suffix == ".pkl":
        return read_pickle(path)
    raise InputError(f"{path}: a face model is a FLAME .npz or .pkl, this ends in '{path.suffix}'")


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an npz, none of them objects, and none larger than the archive says it holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > _MAX_BYTES:
                raise InputError(f"{path}: unpacks to more than the {_MAX_BYTES} bytes a face model may have")
            for entry in entries:
                _check_entry(archive, entry, path)
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: not a readable .npz of plain arrays ({type(error).__name__}: {error})") from error


def _check_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> None:
    """Refuse an array whose header promises more than the entry holds, before anything allocates it."""
    with archive.open(entry) as stream:
        version = npy_format.read_magic(stream)
        read_header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, _, dtype = read_header(stream)
    if dtype.hasobject or int(np.prod(shape, dtype=object)) * dtype.itemsize > entry.file_size:
        raise InputError(f"{path}: {entry.filename} is not a plain array of the size it states")


def _array(arrays: dict, key: str, path: Path) -> Float[np.ndarray, "..."]:
    try:
        return np.asarray(arrays[key], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: {key} is not an array of numbers") from error


def _check(path: Path, template, directions, weights, regressor, correctives, faces) -> None:
    v = len(template)
    shapes = {
        "v_template": (template.shape, (v, 3)),
        "shapedirs": (directions.shape[:2], (v, 3)),
        "posedirs": (correctives.shape, (v, 3, 36)),
        "J_regressor": (regressor.shape, (5, v)),
        "weights": (weights.shape, (v, 5)),
        "f": (faces.shape, (len(faces), 3)),
    }
    for key, (got, needed) in shapes.items():
        if tuple(got) != needed:
            raise InputError(f"{path}: {key} is {tuple(got)}, needed {needed}; this is not a FLAME model")
    if faces.size == 0 or faces.min() < 0 or faces.max() >= v:
        raise InputError(f"{path}: f names vertices outside 0..{v - 1}")
    if not all(np.isfinite(a).all() for a in (template, directions, weights, regressor, correctives)):
        raise InputError(f"{path}: holds values that are not finite")


def _stored_regions(arrays: dict, path: Path) -> dict[str, np.ndarray]:
    """Masks in the model file itself, else in a masks file beside it."""
    own = {key: np.asarray(arrays[key]) for key in arrays if key.startswith("region_")}
    own |= {key: np.asarray(arrays[key]) for key in ("inner_lip_pairs", "height_pair") if key in arrays}
    if own:
        return own
    for name in _MASK_FILES:
        if (path.parent / name).is_file():
            masks = _read(path.parent / name)
            return {f"mask_{key}": np.asarray(value) for key, value in masks.items()}
    return {}


def _single(array: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    return np.ascontiguousarray(array, dtype=np.float32)
