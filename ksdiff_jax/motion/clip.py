"""The motion of a head over one clip, and its file `*.motion.npz` (schema "ksdiff-motion/1").

| field | shape | unit |
|---|---|---|
| exp | (t, 50), in `bfm` (t, 64) | expression coefficients of the space (motion/space.py) |
| global_orient, jaw_pose, neck_pose | (t, 3) | axis-angle, radians |
| eyes_pose | (t, 6) | axis-angle, radians, left then right |
| cam | (t, 3) | weak-perspective scale, tx, ty; in `bfm` the translation |
| shape | (100,) | identity coefficients |
| timestamps | (t,) | seconds |
| fps | () | Hz |
| keyframes_expression, keyframes_head | (t,) | bool |
| keyframe_score_expression, keyframe_score_head | (t,) | probabilities |
| meta | str | JSON: the origin of this motion, its inputs, and `space`, its motion space |

The file is a plain NumPy archive of exactly these keys, without pickled objects, so reading it
executes no code. Values are checked when a clip is created, and therefore also when one is read.
"""

import dataclasses
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.motion import space as spaces
from ksdiff_jax.motion.earlier import space_of_checkpoint, stated_space
from ksdiff_jax.outputs import writing
from ksdiff_jax.typing import Bool, Float

SCHEMA = "ksdiff-motion/1"
# unpacked; about ten hours of motion, far less than would exhaust the memory of a machine
MAX_FILE_BYTES = 400_000_000

_PER_FRAME = {
    "global_orient": (np.float32, (3,)),
    "jaw_pose": (np.float32, (3,)),
    "neck_pose": (np.float32, (3,)),
    "eyes_pose": (np.float32, (6,)),
    "cam": (np.float32, (3,)),
    "timestamps": (np.float64, ()),
    "keyframes_expression": (np.bool_, ()),
    "keyframes_head": (np.bool_, ()),
    "keyframe_score_expression": (np.float32, ()),
    "keyframe_score_head": (np.float32, ()),
}
_TRACKS = tuple(name for name in _PER_FRAME if name.startswith("keyframe"))


@dataclass(frozen=True, eq=False)
class MotionClip:
    """The motion of a head.

    Construction converts to the dtypes of the file and rejects invalid values.
    """

    exp: Float[np.ndarray, "t e"]
    global_orient: Float[np.ndarray, "t 3"]
    jaw_pose: Float[np.ndarray, "t 3"]
    neck_pose: Float[np.ndarray, "t 3"]
    eyes_pose: Float[np.ndarray, "t 6"]
    cam: Float[np.ndarray, "t 3"]
    shape: Float[np.ndarray, "100"]
    timestamps: Float[np.ndarray, "t"]
    fps: float | int
    keyframes_expression: Bool[np.ndarray, "t"]
    keyframes_head: Bool[np.ndarray, "t"]
    keyframe_score_expression: Float[np.ndarray, "t"]
    keyframe_score_head: Float[np.ndarray, "t"]
    meta: dict = field(default_factory=dict)

    def __post_init__(self):
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for name, value in _checked_fields(values, space=self.meta.get("space", "")).items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.exp)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)} frames, {self.fps:g} fps, {self.duration_s:.2f} s, "
            f"space {self.space or 'not known'})"
        )

    @property
    def space(self) -> str:
        """The name of the motion space; "" for a file of an earlier version that does not
        show it.
        """
        return self.meta.get("space") or space_of_checkpoint(str(self.meta.get("checkpoint")))

    @property
    def duration_s(self) -> float:
        """Seconds from the first frame's start to the last frame's end."""
        return len(self) / self.fps

    @property
    def coefficients(self) -> Float[np.ndarray, "t m"]:
        """The motion in the order of `motion.space`: expression, rotation, jaw, camera (in `bfm`
        the translation).
        """
        return np.concatenate([self.exp, self.global_orient, self.jaw_pose, self.cam], axis=1)

    @classmethod
    def from_coefficients(
        cls,
        coefficients: Float[np.ndarray, "t m"],
        *,
        fps: float | int = 25.0,
        tracks: Mapping[str, np.ndarray] | None = None,
        shape: Float[np.ndarray, "100"] | None = None,
        space: str = spaces.BUILTIN.name,
        meta: dict | None = None,
    ) -> "MotionClip":
        """Create a clip from the numbers of `space` (motion/space.py) per frame.

        `tracks` contains any of the four arrays (t,) of keyframes by field name. Tracks that are
        not given, and the poses of neck and eyes, are zero.
        """
        frames, tracks = len(coefficients), dict(tracks or {})
        if unknown := sorted(tracks.keys() - _TRACKS):
            raise InputError(f"motion tracks: got {', '.join(unknown)}, need {', '.join(_TRACKS)}")
        of = spaces.SPACES.get(space, spaces.BUILTIN)
        exp, rotation, jaw, place = (coefficients[:, of.slice(part)] for part, _ in of.parts)
        return cls(
            exp=exp,
            global_orient=rotation,
            jaw_pose=jaw,
            neck_pose=np.zeros((frames, 3)),
            eyes_pose=np.zeros((frames, 6)),
            cam=place,
            shape=np.zeros(spaces.SHAPE_DIMS) if shape is None else shape,
            timestamps=np.arange(frames) / fps,
            fps=fps,
            **{
                name: np.asarray(tracks.get(name, np.zeros(frames)), _PER_FRAME[name][0])
                for name in _TRACKS
            },
            meta={"schema": SCHEMA, "space": space, **(meta or {})},
        )

    def with_pose(self, reference: "MotionClip", *, source: str = "pose reference") -> "MotionClip":
        """Return this motion with rotation and camera of `reference`, whose frames beyond its end
        are not used.

        Raises `InputError` where the reference has another frame rate, fewer frames, or a camera
        where this motion has a translation (`bfm`) or the reverse; `source` names it.
        """
        space = self.space or spaces.BUILTIN.name
        check_pose(reference, frames=len(self), fps=self.fps, space=space, source=source)
        frames = slice(len(self))
        return dataclasses.replace(
            self,
            global_orient=reference.global_orient[frames],
            cam=reference.cam[frames],
            meta=self.meta | {"pose": source},
        )

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write `path` (complete or not at all) and return it.

        A motion file of ours is replaced; another file is replaced only with `overwrite`.
        """
        path = Path(path)
        arrays = {
            f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "meta"
        }
        meta = json.dumps({"schema": SCHEMA, **self.meta}, sort_keys=True)
        with (
            writing(path, "motion", overwrite=overwrite) as temporary,
            temporary.open("wb") as stream,
        ):
            np.savez(stream, **arrays | {"fps": np.float64(self.fps), "meta": np.array(meta)})
        return path

    @classmethod
    def load(cls, path: str | Path, *, space: str = "") -> "MotionClip":
        """Read a motion file; raise `InputError` with the file and the fault.

        `space` names the motion space of a file of an earlier version that does not show it.
        """
        path = Path(path)
        arrays = _read_archive(path, {f.name for f in dataclasses.fields(cls)})
        try:
            meta = json.loads(str(arrays.pop("meta")[()]))
            schema = meta.get("schema") if isinstance(meta, dict) else None
        except json.JSONDecodeError as error:
            raise InputError(f"{path}: the key 'meta' of this motion file is not JSON") from error
        if schema != SCHEMA:
            raise InputError(
                f"{path}: motion file of schema {schema!r}, this version reads {SCHEMA!r}"
            )
        try:
            clip = cls(**_checked_fields(arrays, space=meta.get("space", "")), meta=meta)
            if space or clip.space not in ("", *spaces.SPACES):
                meta["space"] = stated_space(clip.space, space, what="space of this motion")
            return clip
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


def _checked_fields(values: dict, *, space: str) -> dict:
    """Return every field except `meta` in the dtype of the file; raise `InputError` with the name
    of a field that is invalid in this motion space.
    """
    exp = np.asarray(values["exp"])
    part = spaces.SPACES.get(space, spaces.BUILTIN).slice("expression")
    if exp.ndim != 2 or len(exp) < 1:
        raise InputError(
            f"motion exp: got shape {exp.shape}, need at least one frame of {part.stop}"
        )
    checked = {"exp": _checked("exp", exp, np.float32, (len(exp), part.stop))}
    checked |= {
        name: _checked(name, values[name], dtype, (len(exp), *trailing))
        for name, (dtype, trailing) in _PER_FRAME.items()
    }
    checked["shape"] = _checked("shape", values["shape"], np.float32, (spaces.SHAPE_DIMS,))
    checked["fps"] = float(_checked("fps", values["fps"], np.float64, ()))
    if checked["fps"] <= 0:
        raise InputError(
            f"motion fps: got {checked['fps']}, need a positive number of frames per second"
        )
    return checked


def _checked(name: str, value, dtype, size: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(value)
    if array.shape != size:
        raise InputError(f"motion {name}: got shape {array.shape}, need {size}")
    if array.dtype.kind not in "fiub":
        raise InputError(f"motion {name}: got values of type {array.dtype}, need numbers")
    # a copy, so that a change of the source does not change the clip
    array = np.array(array, dtype=dtype)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(
            f"motion {name}: {np.count_nonzero(~np.isfinite(array))} values are NaN or infinite"
        )
    array.flags.writeable = False
    return array


def _read_archive(path: Path, keys: set[str]) -> dict[str, np.ndarray]:
    """Read the arrays named `keys` of an npz, without unpickling and without unpacking more than
    the size limit.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: {'a folder' if path.is_dir() else 'no such file'}; need a .motion.npz file"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_FILE_BYTES:
            raise InputError(f"{path}: unpacks to {size / 1e6:.0f} MB, too large for a motion file")
        with np.load(path, allow_pickle=False) as archive:
            missing = sorted(keys - set(archive.files))
            if missing:
                raise InputError(
                    f"{path}: not a complete motion file, missing {', '.join(missing)}"
                )
            return {key: archive[key] for key in keys}
    except InputError:
        raise
    except (
        OSError,
        ValueError,
        zipfile.BadZipFile,
        EOFError,
        KeyError,
        NotImplementedError,
    ) as error:
        raise InputError(
            f"{path}: not a readable motion file ({type(error).__name__}: {error})"
        ) from error


def check_pose(
    reference: MotionClip, *, frames: int, fps: float, space: str, source: str = "pose reference"
) -> None:
    """Raise `InputError` unless a motion of `frames` frames in `space` can take the pose of
    `reference`; `source` names it.
    """
    theirs = reference.space or spaces.BUILTIN.name
    if spaces.SPACES[space].parts != spaces.SPACES[theirs].parts:
        raise InputError(
            f"{source}: a pose of the {theirs} space, the motion is of the {space} space, where "
            "the head's position has other units; give a pose of that space"
        )
    if reference.fps != fps:
        raise InputError(
            f"{source}: {reference.fps:g} frames per second, the motion has {fps:g}; resample it"
        )
    if len(reference) < frames:
        raise InputError(
            f"{source}: {len(reference)} frames, {reference.duration_s:.1f} s; the motion has "
            f"{frames}, {frames / fps:.1f} s; give one as long as the speech"
        )
