"""Face coefficients written by other tools, checked and converted to one form.

Rotations are axis-angle vectors. Deep3DFaceRecon's Euler angles (pitch x, yaw y, roll z) rotate its
row vectors by the transpose of R = Rz Ry Rx, which is R for columns, with FLAME's axes (x right, y
up, z to the viewer).

There is one identity per clip: the median over frames if a tool gives one for each frame. Files
without a weak-perspective camera get scale 1. VHAP's translation, which is the camera's in metres,
becomes tx and ty, and its depth is dropped. In the space of the Basel face model there is no jaw
(zeros), `camera` is the translation, and the 80 identity numbers are followed by zeros.

Recordings of ARKit's weights (arkit_files.py) become coefficients of the built-in head, by the
shapes of the same names (face/arkit.py).
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.data.importing.arkit_files import SUFFIXES as ARKIT_SUFFIXES
from ksdiff_jax.data.importing.arkit_files import read_arkit_recording
from ksdiff_jax.data.importing.arrays import read_arrays
from ksdiff_jax.data.importing.layouts import LAYOUTS, WIDTHS, Layout, recognised
from ksdiff_jax.data.prepare.source import Rejected
from ksdiff_jax.errors import InputError
from ksdiff_jax.face.arkit import motion_of_arkit
from ksdiff_jax.motion.space import BUILTIN, SHAPE_DIMS, SPACES
from ksdiff_jax.typing import Float

FPS_KEY = "fps"
_LEAST_COLUMNS = {"rotation": 3, "jaw": 3, "neck": 3, "camera": 3, "translation": 3}
_FRACTIONS = ("expression", "rotation", "jaw", "neck")
# A rotation vector needs no more than pi, and trackers may return up to twice that; no jaw opens by
# 90 degrees.
_MOST_RAD = {"rotation": 2 * np.pi, "neck": 2 * np.pi, "jaw": np.pi / 2}
_STILL_FRAMES = 25
_MOST_COEFFICIENT = 1000.0
_EXPRESSION_DIMS = {name: space.slice("expression").stop for name, space in SPACES.items()}


class Coefficients(NamedTuple):
    """Motion of one face, t frames, as stored by its tool."""

    expression: Float[np.ndarray, "t e"]  # 50 FLAME or 64 Basel
    rotation: Float[np.ndarray, "t 3"]  # axis-angle, radians
    jaw: Float[np.ndarray, "t 3"]  # axis-angle, radians
    camera: Float[np.ndarray, "t 3"]  # scale, tx, ty; in bfm space a translation
    shape: Float[np.ndarray, "100"]
    space: str  # "flame", "bfm" or "builtin"
    fps: float | None  # None: the file does not contain it
    tool: str
    times_s: Float[np.ndarray, "t"] | None = None  # None: the file has no times, at most a rate


def read_coefficients(path: str | Path) -> Coefficients:
    """Read a file by the keys of one of `LAYOUTS`.

    Raises `Rejected("bad_coefficients")` with a description of the fault.
    """
    path = Path(path)
    if path.suffix.lower() in ARKIT_SUFFIXES:
        return _of_arkit(path)
    keys = {part.key for layout in LAYOUTS.values() for part in layout.parts.values()} | {FPS_KEY}
    try:
        arrays = read_arrays(path, keys)
        tool = _tool(path, set(arrays))
        layout = LAYOUTS[tool]
        parts = {
            name: _part(path, arrays, layout, name)
            for name in layout.parts
            if layout.parts[name].key in arrays
        }
        frames = len(parts["expression"])
        for name, value in parts.items():
            if name != "shape" and len(value) != frames:
                key = layout.parts[name].key
                raise InputError(
                    f"{path}: {key} has {len(value)} frames, {layout.parts['expression'].key} "
                    f"{frames}"
                )
        _check_moves(path, parts)
        return _coefficients(parts, layout=layout, tool=tool, fps=_fps(path, arrays))
    except InputError as error:
        raise Rejected("bad_coefficients", str(error)) from error


def _of_arkit(path: Path) -> Coefficients:
    """Return the motion of the built-in head in a recording of ARKit's weights."""
    try:
        recording = read_arkit_recording(path)
        motion = motion_of_arkit(recording.weights, fps=1.0)  # times are the recording's own
        rotation = recording.head.astype(np.float32)
        parts = {"expression": motion.exp, "jaw": motion.jaw_pose, "rotation": rotation}
        _check_moves(path, parts)
    except InputError as error:
        raise Rejected("bad_coefficients", str(error)) from error
    return Coefficients(
        expression=motion.exp,
        rotation=rotation,
        jaw=motion.jaw_pose,
        camera=motion.cam,
        shape=np.zeros(SHAPE_DIMS, np.float32),
        space=BUILTIN.name,
        fps=None,
        tool=recording.tool,
        times_s=recording.times_s,
    )


def _tool(path: Path, keys: set[str]) -> str:
    tools = recognised(keys)
    if len(tools) == 1:
        return tools[0]
    known = "; ".join(
        f"{name}: {', '.join(sorted(layout.required))}" for name, layout in LAYOUTS.items()
    )
    problem = f"are those of {' and of '.join(tools)}" if tools else "are those of no known tool"
    raise InputError(
        f"{path}: its keys {', '.join(sorted(keys)) or '(none)'} {problem}; known are {known}"
    )


def _part(
    path: Path, arrays: dict[str, np.ndarray], layout: Layout, name: str
) -> Float[np.ndarray, "n d"]:
    """Return the columns of one quantity as float32, finite, one row per frame (or a single row for
    a shape).
    """
    part = layout.parts[name]
    value = np.asarray(arrays[part.key])
    if value.dtype.kind not in "fiu":
        raise InputError(f"{path}: {part.key} holds {value.dtype}; need numbers")
    shape = value.shape
    if value.ndim > 2 and sum(n != 1 for n in shape[:-1]) <= 1:  # batch axes of one
        value = value.reshape(-1, shape[-1])
    if value.ndim == 1 and name == "shape":
        value = value[None]
    needed = _EXPRESSION_DIMS[layout.space] if name == "expression" else _LEAST_COLUMNS.get(name, 1)
    widths = WIDTHS.get(part.key) or (
        (needed,) if name in _LEAST_COLUMNS and part.to is None else ()
    )
    least = max(part.to or 0, part.start + needed)
    fits = (
        value.ndim == 2
        and len(value)
        and (value.shape[1] in widths if widths else value.shape[1] >= least)
    )
    if not fits:
        columns = " or ".join(map(str, widths)) if widths else f"{least} or more"
        hint = _shape_hint(shape, name, widths)
        raise InputError(f"{path}: {part.key} has shape {shape}; need (frames, {columns}){hint}")
    value = value[:, part.start : part.to]
    if value.dtype.kind != "f" and name in _FRACTIONS and value.any():
        raise InputError(
            f"{path}: {part.key} ({name}) holds whole numbers ({value.dtype}); need fractions: "
            "quantised?"
        )
    with np.errstate(all="ignore"):  # values that are not finite are counted below
        value = value.astype(np.float32)
    if len(bad := np.flatnonzero(~np.isfinite(value).all(axis=1))):
        first = f", first in frame {bad[0]}" if len(value) > 1 else ""
        raise InputError(
            f"{path}: {part.key} ({name}) holds NaN or infinite values in {len(bad)} of "
            f"{len(value)} frames{first}"
        )
    if name in ("expression", "shape") and (most := float(np.abs(value).max())) > _MOST_COEFFICIENT:
        raise InputError(
            f"{path}: {part.key} ({name}) reaches {most:.3g}; such a coefficient is a few units: "
            "damaged?"
        )
    _check_angles(path, part.key, name, value)
    return value


def _shape_hint(shape: tuple[int, ...], name: str, widths: tuple[int, ...]) -> str:
    """Return the probable meaning of a shape that does not fit, and the remedy."""
    rotation = name in ("rotation", "jaw", "neck")
    if rotation and (shape[-2:] == (3, 3) or shape[-1:] == (9,)):
        return "; these are rotation matrices, convert them to axis-angle vectors"
    if rotation and shape[-1:] == (4,):
        return "; these are quaternions, convert them to axis-angle vectors"
    if rotation and shape[-1:] == (6,) and 6 not in widths:
        return "; these are six numbers per rotation, convert them to axis-angle vectors"
    if len(shape) == 2 and shape[0] in widths:
        return "; transposed?"
    return ""


def _check_angles(path: Path, key: str, name: str, value: Float[np.ndarray, "n d"]) -> None:
    """Raise `InputError` if a rotation exceeds that of a head or a jaw: the file is in degrees."""
    if name not in _MOST_RAD:
        return
    angles = np.linalg.norm(value.astype(np.float64), axis=1)
    if (most := float(angles.max())) > _MOST_RAD[name]:
        raise InputError(
            f"{path}: {key} ({name}) turns by up to {most:.4g} rad, {np.degrees(most):.0f} "
            "degrees; need radians: if these are degrees, multiply by pi / 180"
        )


def _check_moves(path: Path, parts: dict[str, Float[np.ndarray, "n d"]]) -> None:
    """Raise `InputError` if nothing in the face moves for a second or more, because no tracked face
    is that still.
    """
    frames = len(parts["expression"])
    moving = [name for name in _FRACTIONS if name in parts and np.ptp(parts[name], axis=0).any()]
    if frames >= _STILL_FRAMES and not moving:
        raise InputError(
            f"{path}: expression and rotations are the same in all {frames} frames; no face was "
            "followed"
        )


def _fps(path: Path, arrays: dict[str, np.ndarray]) -> float | None:
    if FPS_KEY not in arrays:
        return None
    value = np.asarray(arrays[FPS_KEY])
    if value.size != 1 or value.dtype.kind not in "fiu" or not 0 < float(value.reshape(())) < 1000:
        raise InputError(f"{path}: fps is {value.tolist()}; need one positive rate in Hz")
    return float(value.reshape(()))


def _coefficients(
    parts: dict[str, Float[np.ndarray, "n d"]], *, layout: Layout, tool: str, fps: float | None
) -> Coefficients:
    expression = parts["expression"][:, : _EXPRESSION_DIMS[layout.space]]
    frames = len(expression)
    rotation = parts["rotation"]
    if layout.space == "bfm":
        rotation = axis_angle_of_euler(rotation)
    if "neck" in parts:
        whole = Rotation.from_rotvec(rotation) * Rotation.from_rotvec(parts["neck"])
        rotation = whole.as_rotvec().astype(np.float32)
    resting = np.tile(np.array([1, 0, 0], np.float32), (frames, 1))
    if "translation" in parts:
        resting[:, 1:] = parts["translation"][:, :2]
    shape = np.zeros(SHAPE_DIMS, np.float32)
    if "shape" in parts:
        median = np.median(parts["shape"], axis=0)[:SHAPE_DIMS]
        shape[: len(median)] = median
    return Coefficients(
        expression=expression,
        rotation=rotation,
        jaw=parts.get("jaw", np.zeros((frames, 3), np.float32)),
        camera=parts.get("camera", resting),
        shape=shape,
        space=layout.space,
        fps=fps,
        tool=tool,
    )


def axis_angle_of_euler(angles: Float[np.ndarray, "t 3"]) -> Float[np.ndarray, "t 3"]:
    """Return the axis-angle vector of R = Rz(roll) Ry(yaw) Rx(pitch), from pitch, yaw, roll in
    radians.
    """
    return Rotation.from_euler("xyz", angles).as_rotvec().astype(np.float32)
